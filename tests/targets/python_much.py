"""A thread that never sleeps, with more in its variables than is copied of one thread while it is stopped.

What is awkward: 400 variables with lists of strings, each string on pages of its own.
"""
variables = "".join("    v%d = [chr(97 + n) * 5000 for n in range(8)]\n" % i for i in range(400))
exec("def spin():\n" + variables + "    print('ready', flush=True)\n    while True:\n        pass\n")
spin()
