"""Fill the benchmark's database: `python -m bench.course`, under bench.settings."""

from bench import site

PARAGRAPH = (
    "Photosynthesis is the process by which a plant turns light, water and carbon dioxide into "
    "sugar and oxygen. It happens in the chloroplasts, small green bodies in the cells of a leaf, "
    "and feeds nearly everything that lives. "
)


def main() -> None:
    site.start()
    from django.contrib.auth import get_user_model

    from learning.models import Chapter, Course, Enrolment
    from rag.indexing import reindex

    student = get_user_model().objects.create_user("alice", "alice@example.org", "alice")
    course = Course.objects.create(slug=site.COURSE, title="Plants", is_open=True)
    Enrolment.objects.create(user=student, course=course)
    for position in range(1, 9):
        sections = (f"## Part {n}\n\n{PARAGRAPH * 4}" for n in range(1, 7))
        Chapter.objects.create(
            course=course,
            slug=f"chapter-{position}",
            title=f"Chapter {position}",
            position=position,
            text="\n\n".join(sections),
        )
    reindex([course.slug])


if __name__ == "__main__":
    main()
