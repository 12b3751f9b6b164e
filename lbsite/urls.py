from django.contrib import admin
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from pool.api import missing
from proxy.explain.page import explain_page

# Schema and docs are open to everyone: they say what the product can do, and
# nothing of what is configured here.
api_patterns: list[URLPattern | URLResolver] = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("reports/", include("analytics.api.urls")),
    path("explain/", include("proxy.explain.urls")),
    path("", include("pool.api.urls")),
    re_path(r"^(?P<rest>.*)$", missing.missing, name=missing.NAME),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/explain/", admin.site.admin_view(explain_page), name="explain_page"),
    path("admin/", admin.site.urls),
    path("api/v1/", include(api_patterns)),
    path("lb/", include("proxy.urls")),
    # Where browsers look by themselves, for pages that name none.
    path("favicon.ico", RedirectView.as_view(url=static("lbsite/favicon.svg"))),
]
