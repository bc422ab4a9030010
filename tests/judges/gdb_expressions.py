"""Run by gdb: what `print` says of each expression of a file, as one JSON document.

The file is that in the variable EXPRESSIONS of the environment, as compare_expressions describes it. Of a pointer gdb
says the type as the program declared it; `type` is that type without typedefs, as a compiler knows it.
"""
import json
import os

import gdb


def stripped(type):
    type = type.strip_typedefs()
    if type.code == gdb.TYPE_CODE_PTR:
        return stripped(type.target()).pointer()
    if type.code == gdb.TYPE_CODE_ARRAY:
        return stripped(type.target()).array(*type.range())
    return type


def ask(expression):
    try:
        format, expression = expression.split(" ", 1) if expression.startswith("/") else ("", expression)
        text = gdb.execute(f"output{format} {expression}", to_string=True)
        value = gdb.parse_and_eval(expression)
        return {"value": text, "type": str(stripped(value.type))}
    except gdb.error as error:
        return {"value": f"<error: {error}>", "type": ""}


for setting in ("height 0", "width 0", "print static-members off"):
    gdb.execute("set " + setting)
answers = []
for line in open(os.environ["EXPRESSIONS"]):
    if line.strip() and not line.startswith("#"):
        answers.append(ask(line.strip().split(" !! ")[0].split(" => ")[-1]))
print("\nANSWERS " + json.dumps(answers))
