"""The addresses of a Django site; a test fills them in."""

urlpatterns = []
