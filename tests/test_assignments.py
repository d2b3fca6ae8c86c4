import pytest

from jaxrestore import assignments, errors


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("a=0.5", "a", 0.5),
        ("a=-2", "a", -2),
        ("a=None", "a", None),
        ("a={'x': 1}", "a", {"x": 1}),
        ("a=up", "a", "up"),
        ("a='='", "a", "="),
        ("a=b=c", "a", "b=c"),
        ("a=", "a", ""),
        ("data.include=a*,b*", "data.include", "a*,b*"),
        ("degradation.side=(48,128)", "degradation.side", (48, 128)),
    ],
)
def test_a_value_is_a_python_literal_or_else_text(text, key, value):
    assert assignments.read(text) == (key, value)


@pytest.mark.parametrize("text", ["crop", "=3", "=", ""])
def test_text_without_a_key_or_an_equals_sign_is_refused(text):
    with pytest.raises(errors.ConfigError, match="is not KEY=VALUE, such as rate"):
        assignments.read(text)


@pytest.mark.parametrize("value", ["(0, 1", "[a]", "{'x'", "'up", '"up'])
def test_what_begins_like_a_literal_and_is_none_is_refused(value):
    with pytest.raises(errors.ConfigError, match="not a Python literal"):
        assignments.read(f"a={value}")
    assert assignments.literal(value) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("25/255", 25 / 255),
        (" 25 / 255", 25 / 255),
        ("-1/4", -0.25),
        ("(0, 55/255)", (0, 55 / 255)),
        ("{'poisson': {'level': (1/2, 2.0)}}", {"poisson": {"level": (0.5, 2.0)}}),
    ],
)
def test_a_number_may_be_a_fraction(text, value):
    assert assignments.read(f"a={text}") == ("a", value)


@pytest.mark.parametrize(
    "text", ["IN/OUT", "in/1", "2020/05", "1/0", "1/2/3", "True/2", "2*3", "len('a')/1"]
)
def test_nothing_else_is_computed(text):
    assert assignments.literal(text) == text
