"""The rule that no way of saving goes around the rules."""

from abc import ABCMeta, abstractmethod
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from django.db import models, transaction
from django.db.models.base import ModelBase


class _AbstractModelBase(ModelBase, ABCMeta):
    """Of models with abstract methods: no row can be made of one that lacks any."""


class ConfigurationModel(models.Model, metaclass=_AbstractModelBase):
    """A part of the configuration: checked whoever saves it, and compiled before it is stored.

    `QuerySet.update()` and `bulk_create()` skip `save()`, as ever in Django: the
    database's constraints still hold then, and the periodic republish makes the
    change known some seconds later. Prefer saving.
    """

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        if update_fields is not None:
            update_fields = {*update_fields, "updated_at"}
        # In one transaction, so that what is published is what was committed.
        with transaction.atomic():
            self.full_clean()
            _check_types(self.compile())
            super().save(*args, update_fields=update_fields, **kwargs)

    @abstractmethod
    def compile(self) -> msgspec.Struct:
        """This row as the snapshot holds it."""


S = TypeVar("S", bound=msgspec.Struct)


def _check_types(spec: S) -> S:
    """Structs check types when they are decoded only, and that would be too late."""
    return msgspec.json.decode(msgspec.json.encode(spec), type=type(spec))
