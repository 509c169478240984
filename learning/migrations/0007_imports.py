import django.db.models.deletion
import django.utils.timezone
import learning.models.course_import
import uuid
from django.apps import apps as installed
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.db import migrations, models


def let_roles_import(apps, schema_editor):
    """Who may write chapters by role may look at imports, steer them, and delete what they made."""
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    using = schema_editor.connection.alias
    # Otherwise they are made after the last migration.
    create_permissions(installed.get_app_config("learning"), verbosity=0, using=using, apps=apps)
    of_imports = Permission.objects.using(using).filter(
        content_type__app_label="learning",
        # A course that was imported by mistake is its teacher's to delete, as long as nobody has
        # asked in it: conversations are not theirs to delete.
        codename__in=[
            "view_courseimport",
            "change_courseimport",
            "delete_courseimport",
            "delete_course",
        ],
    )
    for group in Group.objects.using(using).filter(
        name__in=["Teacher", "Staff"], permissions__codename="add_chapter"
    ):
        group.permissions.add(*of_imports)


class Migration(migrations.Migration):

    dependencies = [
        ('learning', '0006_roles'),
    ]

    operations = [
        migrations.AddField(
            model_name='course',
            name='tokens_per_day',
            field=models.PositiveIntegerField(blank=True, help_text='How many the answers to all students together may take on one day, read and written. Empty or 0: as many as they take.', null=True, verbose_name='tokens a day'),
        ),
        migrations.CreateModel(
            name='CourseImport',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('status', models.CharField(choices=[('pending', 'queued'), ('running', 'running'), ('ready', 'ready'), ('failed', 'failed'), ('cancelled', 'cancelled')], default='pending', max_length=10, verbose_name='status')),
                ('is_cancel_wanted', models.BooleanField(default=False, editable=False, verbose_name='to be cancelled')),
                ('message', models.CharField(blank=True, max_length=300, verbose_name='message')),
                ('detail', models.TextField(blank=True, verbose_name='detail')),
                ('trace_id', models.CharField(blank=True, db_index=True, max_length=64, verbose_name='trace')),
                ('attempts', models.PositiveSmallIntegerField(default=0, verbose_name='attempts')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='asked for')),
                ('queued_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='queued')),
                ('started_at', models.DateTimeField(blank=True, null=True, verbose_name='begun')),
                ('alive_at', models.DateTimeField(editable=False, help_text='A running job says here that it lives.', null=True, verbose_name='last sign of life')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='finished')),
                ('archive', models.FileField(blank=True, storage=learning.models.course_import.upload_storage, upload_to='imports', verbose_name='files')),
                ('name', models.CharField(help_text='Of what was uploaded.', max_length=200, verbose_name='name')),
                ('is_whole', models.BooleanField(default=False, help_text='Chapters whose files are not among these are unpublished.', verbose_name='the whole course')),
                ('title', models.CharField(blank=True, max_length=200, verbose_name='title')),
                ('language', models.CharField(blank=True, max_length=10, verbose_name='language')),
                ('is_open', models.BooleanField(default=False, verbose_name='open')),
                ('reader_language', models.CharField(default='en', max_length=10, verbose_name='language of the report')),
                ('doing', models.CharField(blank=True, max_length=300, verbose_name='doing')),
                ('percent', models.PositiveSmallIntegerField(default=0, verbose_name='done, in per cent')),
                ('report', models.JSONField(default=dict, verbose_name='report')),
                ('course', models.ForeignKey(blank=True, help_text='Empty until a new course is made.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='imports', to='learning.course', verbose_name='course')),
                ('requested_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='asked for by')),
            ],
            options={
                'verbose_name': 'import',
                'verbose_name_plural': 'imports',
                'ordering': ['-created_at'],
                'abstract': False,
                'indexes': [models.Index(fields=['status', 'alive_at'], name='learning_import_status')],
            },
        ),
        migrations.RunPython(let_roles_import, migrations.RunPython.noop),
    ]
