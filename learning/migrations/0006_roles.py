"""The roles as groups, with what each may do at first; afterwards they are the administrator's.

Permissions of new models go to the groups by a migration of their own: a site's groups are changed
by nothing else.
"""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

LOOK, WRITE, ALL = ("view",), ("view", "add", "change"), ("view", "add", "change", "delete")
SEEN = ("citation", "feedback", "reading", "itempassage", "quizattempt", "quizanswer")
OF_COURSES = {
    "chapter": ALL,
    "enrolment": ALL,
    "studyartefact": ALL,
    "studyitem": ("view", "change", "delete"),
    **dict.fromkeys(SEEN, LOOK),
}
ROLES = {
    "Teacher": {
        "learning": {
            **OF_COURSES,
            "course": WRITE,
            "conversation": LOOK,
            "message": LOOK,
            "user": LOOK,
        },
    },
    "Staff": {
        "learning": {
            **OF_COURSES,
            "course": ALL,
            # Nobody can be deleted without what they wrote.
            "conversation": ("view", "delete"),
            "message": ("view", "delete"),
            "user": ALL,
        },
    },
    # To read what was asked and answered takes "read_content" too, which is given one by one.
    "Trace auditor": {
        "tracing": dict.fromkeys(("tracerecord", "observationrecord", "scorerecord"), LOOK),
    },
}


def make_roles(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    using = schema_editor.connection.alias
    for app in ("learning", "tracing"):
        # Otherwise they are made after the last migration.
        create_permissions(installed.get_app_config(app), verbosity=0, using=using, apps=apps)
    for name, rights in ROLES.items():
        group, is_new = Group.objects.using(using).get_or_create(name=name)
        if not is_new:
            continue  # a group of the site's own, with what its administrator gave it
        for app, models in rights.items():
            for model, verbs in models.items():
                codenames = [f"{verb}_{model}" for verb in verbs]
                permissions = Permission.objects.using(using).filter(
                    content_type__app_label=app,
                    content_type__model=model,
                    codename__in=codenames,
                )
                group.permissions.add(*permissions)


class Migration(migrations.Migration):

    dependencies = [
        ("learning", "0005_care"),
        ("tracing", "0003_warnings"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        # Backwards nothing: they may have members by then.
        migrations.RunPython(make_roles, migrations.RunPython.noop),
    ]
