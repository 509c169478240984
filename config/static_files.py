"""Static files under names that tell their content, so that browsers keep them for good."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Names what scripts import too: else a new script may meet an old one in a browser's cache."""

    support_js_module_import_aggregation = True
