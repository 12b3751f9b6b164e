"""What models and Redis raise, as answers."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError
from django.db.models import ProtectedError, RestrictedError
from redis import RedisError
from rest_framework import serializers, status
from rest_framework.exceptions import APIException
from rest_framework.settings import api_settings

from pool.refusals import users_in_words
from pool.revise import PublishError


class Conflict(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class Unavailable(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unavailable"


@contextmanager
def model_errors_as_answers() -> Iterator[None]:
    """400 with the fields' names for a rule, 409 for what others have or did meanwhile."""
    try:
        yield
    except ValidationError as error:
        fields = {
            api_settings.NON_FIELD_ERRORS_KEY if name == NON_FIELD_ERRORS else name: messages
            for name, messages in error.message_dict.items()
        }
        raise serializers.ValidationError(fields) from error
    except ProtectedError as error:
        users = users_in_words(error)
        raise Conflict(f"Still used by {users}: change or delete these first.") from error
    except RestrictedError as error:
        users = users_in_words(error)
        raise Conflict(f"Stood in for by {users}: change or delete that first.") from error
    except IntegrityError as error:
        raise Conflict("Somebody else changed the same at the same time: try again.") from error
    except PublishError as error:
        raise Conflict(str(error)) from error


@contextmanager
def redis_errors_as_answers() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise Unavailable(f"Redis cannot be reached: {error}") from error
