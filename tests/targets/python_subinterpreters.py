"""Two more interpreters in the process, one of them at work in a thread."""
import threading
import time
import _xxsubinterpreters as interpreters

import python_census

one, other = interpreters.create(), interpreters.create()
interpreters.run_string(other, "where = 'the other one'")
threading.Thread(target=interpreters.run_string, args=(one, "import time\nwhile True: time.sleep(0.001)"), daemon=True).start()
where = "the main one"
while not interpreters.is_running(one):
    time.sleep(0.001)


def health():
    interpreters.run_string(other, "assert where == 'the other one'")
    return "runs" if interpreters.is_running(one) else "stands"


python_census.obey(health)
