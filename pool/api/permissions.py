"""Who may do what over REST: Django's model permissions, as in the admin."""

from rest_framework.permissions import DjangoModelPermissions

_VIEW = ["%(app_label)s.view_%(model_name)s"]


class ModelPermissions(DjangoModelPermissions):
    """Reading takes the view permission too; DRF's own lets every user read."""

    perms_map = DjangoModelPermissions.perms_map | {"GET": _VIEW, "HEAD": _VIEW, "OPTIONS": _VIEW}


class MayChange(ModelPermissions):
    """For actions that change what is there: POST takes the change permission."""

    perms_map = ModelPermissions.perms_map | {"POST": ["%(app_label)s.change_%(model_name)s"]}


class MayRollBack(ModelPermissions):
    perms_map = ModelPermissions.perms_map | {"POST": ["%(app_label)s.rollback_%(model_name)s"]}
