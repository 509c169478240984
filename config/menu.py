"""The admin's menu, in the order in which staff need things."""

from django.urls import reverse_lazy


def group(title, *entries: tuple) -> dict:
    """Return a group of the theme's sidebar; an entry is (icon, title, app, model).

    Another page than the list may be named after those. Each shows only to those who may see the
    rows of its model.
    """
    return {
        "title": title,
        "separator": True,
        "items": [
            {
                "title": name,
                "icon": icon,
                "link": reverse_lazy(f"admin:{app}_{model}_{page[0] if page else 'changelist'}"),
                "permission": _may_view(f"{app}.view_{model}"),
            }
            for icon, name, app, model, *page in entries
        ],
    }


def _may_view(permission: str):
    return lambda request: request.user.has_perm(permission)
