"""Hook it in wherever the pools are to be served: `path("lb/", include("proxy.urls"))`."""

from django.urls import path

from proxy import views

urlpatterns = [
    path("<slug:pool>/", views.forward, name="lb_proxy"),
    path("<slug:pool>/<path:path>", views.forward),
]
