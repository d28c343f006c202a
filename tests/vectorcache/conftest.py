import pytest
from guide import DOCUMENT
from server import KEY, VectorcacheServer

from hanzo_agents.vectorcache import AsyncVectorcacheClient, VectorcacheClient

# The guide is not part of this repository: where its folder is not there, its tests are not collected.
collect_ignore = [] if DOCUMENT.exists() else ["test_vectorcache_guide.py"]


@pytest.fixture(autouse=True)
def _no_key_from_outside(monkeypatch):
    for name in ("VECTORCACHE_API_KEY", "VECTORCACHE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def service():
    with VectorcacheServer() as server:
        yield server


@pytest.fixture
def environment(service, monkeypatch):
    """The service, as the environment names it."""
    monkeypatch.setenv("VECTORCACHE_API_KEY", KEY)
    monkeypatch.setenv("VECTORCACHE_BASE_URL", service.url)
    return service


@pytest.fixture
def client(service):
    with VectorcacheClient(KEY, service.url) as made:
        yield made


@pytest.fixture
async def patient(service):
    """An asynchronous client."""
    async with AsyncVectorcacheClient(KEY, service.url) as made:
        yield made


@pytest.fixture
def django_client():
    """Makes a function that posts JSON to a view, through Django's own test client."""
    import django
    from django.conf import settings

    if not settings.configured:
        settings.configure(SECRET_KEY="of the tests", ALLOWED_HOSTS=["testserver"], ROOT_URLCONF="django_urls")
        django.setup()

    import django_urls
    from django.test import Client, override_settings
    from django.urls import clear_url_caches, path

    def made(view):
        django_urls.urlpatterns[:] = [path("query", view.as_view())]
        clear_url_caches()
        client = Client(raise_request_exception=False)
        return lambda address, body: client.post(address, body, content_type="application/json")

    with override_settings(ROOT_URLCONF="django_urls", ALLOWED_HOSTS=["testserver"]):
        yield made
