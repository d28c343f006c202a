"""What the package exports is what it says it exports, and all of it is documented."""

import importlib
import inspect
import pkgutil

import pytest

import hanzo_agents


def modules_with_all():
    names = [module.name for module in pkgutil.walk_packages(hanzo_agents.__path__, "hanzo_agents.")]
    modules = [importlib.import_module(name) for name in names if name.rsplit(".", 1)[1] != "__main__"]
    return [module for module in (hanzo_agents, *modules) if hasattr(module, "__all__")]


def test_all_is_the_public_names():
    for name in hanzo_agents.__all__:
        assert getattr(hanzo_agents, name) is not None
    assert dir(hanzo_agents) == sorted(hanzo_agents.__all__)
    assert not {name for name in hanzo_agents.__all__ if name.startswith("_")} - {"__version__"}


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        hanzo_agents.Nothing  # noqa: B018


@pytest.mark.parametrize("module", modules_with_all(), ids=lambda module: module.__name__)
def test_every_name_exists_once_and_is_documented(module):
    assert len(set(module.__all__)) == len(module.__all__)
    undocumented = [
        name
        for name in module.__all__
        if (inspect.isclass(value := getattr(module, name)) or inspect.isroutine(value))
        and value.__module__.startswith("hanzo_agents")
        and not (value.__doc__ or "").strip()
    ]
    assert not undocumented


def test_what_tests_need_comes_from_one_place():
    from hanzo_agents.testing import FakeClock, FaultServer, ScriptedRouter, answers, faults, use_cassette

    homes = {FakeClock.__module__, FaultServer.__module__, ScriptedRouter.__module__, use_cassette.__module__}
    assert all(home.startswith("hanzo_agents.testing.") for home in homes)
    assert answers.text("Hi")
    assert faults.status(503)


def test_all_is_in_the_order_a_reader_looks_names_up():
    """Constants, then classes, then functions, each sorted: the order ruff's RUF022 keeps."""

    def place(name):
        return (0 if name.isupper() else 1 if name[:1].isupper() else 2), name

    assert list(hanzo_agents.__all__) == sorted(hanzo_agents.__all__, key=place)
