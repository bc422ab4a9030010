"""What gdb and we spell differently in all values, whoever compares them."""
import re


def layout(text):
    # Zeros at the end of an array of characters: gdb prints them all.
    text = re.sub(r"(?<=[\"'>]), '\\000' <repeats \d+ times>(?=[^,]|$|, \w+ = )", "", text)
    text = re.sub(r"'\\000' <repeats \d+ times>", '""', text)
    text = re.sub(r'(?:\\000)+"', '"', text)
    # What is cut: we say how much.
    text = re.sub(r"\.\.\. \d+ more", "...", text)
    return re.sub(r"<error: Cannot access memory at address 0x[0-9a-f]+>", "<unreadable>", text)
