"""What is made of a course beside the chat: word cloud, knowledge graph, quiz.

    jobs.request(course, kind, by=staff)     a row that waits, and a task in the queue
      generating.generate(job)               in a worker: claims the row, one chapter after another
        maker.make(chapter)                  wordcloud.py, knowledge_graph.py, quiz.py: drafts
        keeping.keep(drafts)                 drafts become items, one transaction a chapter
      review                                 staff approve, edit, reject: review.py
      views/study.py, views/quiz.py          students see what is approved

A draft without a passage that bears it out is no draft; a model's item that is not in the asked
form is dropped and counted, never repaired.
"""
