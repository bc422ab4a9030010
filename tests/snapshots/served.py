import time


class Server:
    def __init__(self):
        self.name, self.failure = "größe", OSError(2, "none")

    def serve(self, depth):
        if depth:
            return self.serve(depth - 1)
        return sorted([2, 1], key=lambda request: self.handle(request))

    def handle(self, größe):
        values = [größe, -2 ** 70, 1.5, 2j, "größe", b"\0", (None, True), {"key": {0}}, frozenset("a")]
        time.sleep(100000)


def requests():
    yield Server().serve(2)


for _ in requests():
    pass
