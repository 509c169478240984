"""Set a site up by a few questions, each answer tested at once: `manage.py quickstart`.

    setting_up.py the whole of it: ask, test, agree, write
    console.py    asks and tells, on a terminal or through a pipe
    steps.py      the questions on other servers: the chat model, Langfuse
    site_steps.py the questions on the site itself: its address, its administrator
    mail_step.py  the question on mail
    model_test.py asks a model server for its models and for a word
    database.py   connects and migrates; takes a file that it made away again
    env_file.py   the `.env` file: what it says, what will change, and the change

Nothing is written before all is answered and agreed to.
"""
