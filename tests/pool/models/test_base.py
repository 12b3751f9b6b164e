"""A kind of configuration that cannot be compiled is told of before a row of it is saved."""

import pytest
from django.test.utils import isolate_apps

from pool.models.base import ConfigurationModel


@isolate_apps("pool")
def test_a_model_that_does_not_compile_has_no_rows() -> None:
    class Uncompiled(ConfigurationModel):
        class Meta:
            app_label = "pool"

    with pytest.raises(TypeError, match="compile"):
        Uncompiled()
