"""A machine for the pickles of `torch.save` that can do nothing but describe tensors.

A pickle is a program for a small machine with a stack, which may call any function of
any library. This one knows the instructions for dicts, lists, tuples, numbers, strings
and tensors. Any other object is a name without a content (`Unread`): checkpoints carry
options and schedulers beside their weights. A call is refused by its name unless it
makes a tensor or one of a few values that are known to be harmless. Nothing is
imported, looked up or called on behalf of a file.

Source: `pickletools` of Python, which documents each instruction, and
`torch/serialization.py` for what PyTorch makes of them.
"""

import dataclasses
import io
import pickletools
from collections.abc import Callable
from typing import Any

# bfloat16, which NumPy lacks, is read as its 16 bits.
DTYPES = {
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "DoubleStorage": "<f8",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
MOST_NESTED = 32
_LONGEST_STACK = 10_000  # items are put into their dict by the thousand
_MOST_AXES = 8
_MOST_BITS = 128  # PyTorch's magic number has 77
_REBUILD = ("torch._utils", "_rebuild_tensor_v2")
_PARAMETER = ("torch._utils", "_rebuild_parameter")
_ORDERED = ("collections", "OrderedDict")
# What values that stand beside weights are made by, module by module.
_HARMLESS = {
    "torch": ("device", "Size"),
    "collections": ("Counter", "defaultdict", "deque"),
    "builtins": ("set", "frozenset", "complex", "slice", "range", "xrange"),
    "pathlib": ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath"),
    "datetime": ("datetime", "date", "time", "timedelta", "timezone"),
    "numpy": ("dtype",),
    "numpy.core.multiarray": ("scalar", "_reconstruct"),
    "_codecs": ("encode",),
    "copyreg": ("_reconstructor",),
}
# As older versions of Python and newer ones of NumPy and Python spell them.
_SPELLED = {
    "__builtin__": "builtins",  # where a range is an xrange
    "copy_reg": "copyreg",
    "numpy._core.multiarray": "numpy.core.multiarray",
    "pathlib._local": "pathlib",
}


class Refused(Exception):
    """Why a file is not read; the message is a clause, as `it is damaged`."""


@dataclasses.dataclass(frozen=True)
class Storage:
    """`count` numbers of a type of `DTYPES` that stand elsewhere, under `key`."""

    key: str
    kind: str
    count: int


@dataclasses.dataclass(frozen=True)
class View:
    """A tensor: where its numbers lie in a storage. All counts are of numbers, >= 0."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Foreign:
    """The name of a function or a class; nobody looks it up."""

    home: str
    name: str

    def __str__(self) -> str:
        """Returns the name as Python writes it."""
        return f"{self.home}.{self.name}"


@dataclasses.dataclass(frozen=True, eq=False)
class Unread:
    """An object of which nothing but its kind is known, as of `argparse.Namespace`."""

    kind: str


class Machine:
    """Runs one pickle; `views` and `storages` (by key) are what it came across."""

    def __init__(self) -> None:
        """Makes a machine that has met no tensor yet."""
        self.views: list[View] = []
        self.storages: dict[str, Storage] = {}
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self, stream: io.BytesIO) -> Any:
        """Returns what the pickle at the stream's position describes, and passes it.

        Tensors are `View`s. Raises `Refused` for a call that is not known to be
        harmless and for instructions that `torch.save` does not write, and whatever
        Python raises on damaged bytes.
        """
        self._stack, self._marks, self._memo = [], [], {}
        for instruction, argument, _ in pickletools.genops(stream):
            name = instruction.name
            if name == "STOP":
                return self._stack.pop()
            if name in _CONSTANTS:
                self._push(_CONSTANTS[name]())
            elif name in _LITERALS:
                self._push(_bounded(argument))
            elif name in _STEPS:
                _STEPS[name](self, argument)
            elif name not in ("PROTO", "FRAME"):
                raise Refused(f"it asks for {name}, which no state dict needs")
        raise Refused("it is cut short")

    def _push(self, value):
        if len(self._stack) >= _LONGEST_STACK:
            raise Refused("it nests too deep")
        self._stack.append(value)

    def _pop(self, count=1):
        if count > len(self._stack) - (self._marks[-1] if self._marks else 0):
            raise Refused("it takes more than there is")
        taken = self._stack[-count:] if count else []
        del self._stack[len(self._stack) - count :]
        return taken

    def _mark(self, _):
        if len(self._marks) >= MOST_NESTED:
            raise Refused("it nests too deep")
        self._marks.append(len(self._stack))

    def _marked(self):
        start = self._marks.pop()
        taken = self._stack[start:]
        del self._stack[start:]
        return taken

    def _remember(self, index):
        # Pickles number what they remember one by one.
        index = len(self._memo) if index is None else index
        if index > len(self._memo) + 1:
            raise Refused(f"it remembers a thing as number {index} of few")
        self._memo[index] = self._top(object)

    def _recall(self, index):
        self._push(self._memo[index])

    def _top(self, kind):
        if not self._stack or not isinstance(self._stack[-1], kind):
            raise Refused("it fills what is not there")
        return self._stack[-1]

    def _append(self, values):
        if isinstance(home := self._top(list | Unread), list):
            home.extend(values)

    def _set(self, items):
        if isinstance(home := self._top(dict | Unread), Unread):
            return
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Tensors have texts for names. To hash a deep tuple would exhaust the stack
            # of the interpreter.
            if isinstance(key, str | int):
                home[key] = value

    def _name(self, home, name):
        if not (isinstance(home, str) and isinstance(name, str)):
            raise Refused("it names a function by what is no text")
        self._push(Foreign(home, name))

    def _new(self, kind, *arguments):
        """An instance of a class, without its content."""
        if not isinstance(kind, Foreign) or not isinstance(arguments[0], tuple):
            raise Refused("it makes an instance of what is no class")
        self._push(Unread(str(kind)))

    def _collect(self, _):
        self._marked()
        self._push(Unread("builtins.frozenset"))

    def _call(self, _):
        function, arguments = self._pop(2)
        if not isinstance(function, Foreign) or not isinstance(arguments, tuple):
            raise Refused("it calls what is no function")
        name = function.home, function.name
        if name == _ORDERED and len(arguments) < 2:
            self._push(_ordered(*arguments))
        elif name == _PARAMETER and arguments and isinstance(arguments[0], View):
            self._push(arguments[0])
        elif name == _REBUILD and len(arguments) in (6, 7):
            self._push(_view(*arguments[:4]))
            self.views.append(self._stack[-1])
        elif _is_harmless(function):
            self._push(Unread(str(function)))
        else:
            raise Refused(
                f"it calls {str(function)!r:.80}, which is not known to be harmless"
            )

    def _storage(self, _):
        (entry,) = self._pop()
        if not isinstance(entry, tuple) or len(entry) not in (5, 6):
            raise Refused("it speaks of a storage without saying which")
        word, kind, key, _, count, *view = entry
        known = isinstance(kind, Foreign) and kind.home == "torch"
        if word != "storage" or not known or view not in ([], [None]):
            raise Refused("it speaks of a storage of an unknown kind")
        if kind.name not in DTYPES:
            raise Refused(f"it has tensors of the type {str(kind)!r:.80}")
        if not (isinstance(key, str) and _is_count(count)):
            raise Refused("it speaks of a storage without its size")
        storage = Storage(key, kind.name, count)
        if self.storages.setdefault(key, storage) != storage:
            raise Refused(f"it speaks of storage {key!r:.80} in two ways")
        self._push(storage)

    def _build(self, _):
        # An OrderedDict has attributes: `_metadata`, versions of modules. Left out.
        self._pop()
        self._top(dict | Unread)


def _is_harmless(function: Foreign) -> bool:
    home = _SPELLED.get(function.home, function.home)
    return function.name in _HARMLESS.get(home, ())


def _ordered(pairs=()):
    """The dictionary of pairs, as Python 2 wrote it; today's is filled afterwards."""
    sound = isinstance(pairs, list | tuple) and all(
        isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str)
        for pair in pairs
    )
    if not sound:
        raise Refused("it makes a dictionary of what are no pairs")
    return dict(pairs)


def _view(storage, offset, shape, strides):
    sizes = (shape, strides)
    if not isinstance(storage, Storage) or not _is_count(offset):
        raise Refused("it has a tensor without a storage")
    if not all(isinstance(s, tuple) and all(map(_is_count, s)) for s in sizes):
        raise Refused("it has a tensor whose shape is no row of numbers from 0")
    if not len(shape) == len(strides) <= _MOST_AXES:
        raise Refused(f"it has a tensor of {len(shape)} axes, {len(strides)} strides")
    return View(storage, offset, shape, strides)


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _bounded(value):
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise Refused(f"it has a number of {value.bit_length()} bits")
    return value


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": lambda: Unread("builtins.set"),
}
_LITERALS = {"INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "FLOAT"}
_LITERALS |= {"BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE"}
_LITERALS |= {"BINUNICODE", "BINUNICODE8", "SHORT_BINUNICODE"}
_LITERALS |= {"BINBYTES", "BINBYTES8", "SHORT_BINBYTES", "BYTEARRAY8"}
_STEPS: dict[str, Callable[[Machine, Any], None]] = (
    {
        "MARK": Machine._mark,
        "TUPLE": lambda machine, _: machine._push(tuple(machine._marked())),
        "TUPLE1": lambda machine, _: machine._push(tuple(machine._pop(1))),
        "TUPLE2": lambda machine, _: machine._push(tuple(machine._pop(2))),
        "TUPLE3": lambda machine, _: machine._push(tuple(machine._pop(3))),
        "APPEND": lambda machine, _: machine._append(machine._pop()),
        "APPENDS": lambda machine, _: machine._append(machine._marked()),
        "SETITEM": lambda machine, _: machine._set(machine._pop(2)),
        "SETITEMS": lambda machine, _: machine._set(machine._marked()),
        "ADDITEMS": lambda machine, _: machine._append(machine._marked()),
        "FROZENSET": Machine._collect,
        "GLOBAL": lambda machine, names: machine._name(*names.split(" ", 1)),
        "STACK_GLOBAL": lambda machine, _: machine._name(*machine._pop(2)),
        "NEWOBJ": lambda machine, _: machine._new(*machine._pop(2)),
        "NEWOBJ_EX": lambda machine, _: machine._new(*machine._pop(3)),
        "REDUCE": Machine._call,
        "BINPERSID": Machine._storage,
        "BUILD": Machine._build,
    }
    | {name: Machine._remember for name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")}
    | {name: Machine._recall for name in ("GET", "BINGET", "LONG_BINGET")}
)
