"""PDF, DOCX, PPTX and HTML become Markdown, each file in a process that can be killed.

A file from outside may hang its reader, fill the memory or crash the interpreter, so none is read
where the server or a command runs: `process.py` asks a child (`__main__.py`) for it, with a
deadline. What stands here but `process.py` runs in the child: no Django, no database, and no way
to an address or a key, which the child is not given.
"""
