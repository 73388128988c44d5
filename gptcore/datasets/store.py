"""Where the bytes of a data set come from: a mirror folder, the cache, the network; in that order.

Whichever way bytes come, they count only if their SHA-256 is the one in the table. A file enters
the cache by a rename when it is whole and right, so a kill, a full disk or a second process that
fetches the same file leaves nothing half-written.

    GPTCORE_DATA_MIRROR  a folder with files <set>/<file>, gzipped or not; read, never written
    GPTCORE_CACHE        where fetched files are kept; by default the system's folder for caches

A `~` in them is the home folder: notebooks, Docker and CI set variables with no shell to say so.

Source: none; pooch does the work of the cache.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from gptcore.datasets.sets import DataSet, File
from gptcore.extras import needing

MIRROR, CACHE = "GPTCORE_DATA_MIRROR", "GPTCORE_CACHE"
PATIENCE = 4.0
"""Seconds in which a host must give its first answer."""
SILENCE = 15.0
"""Seconds without a byte after which a download is given up."""
RETRIES = 2
REMEMBERED = 300.0
"""Seconds for which a host that could not be reached is not asked again."""
BLOCK = 1 << 16


class DataUnavailable(OSError):
    """A data set is neither in the mirror nor in the cache, and cannot be fetched or kept."""


def read(dataset: DataSet, file: File) -> bytes:
    """The bytes of a file, as at its address.

    Raises:
        DataUnavailable: they cannot be had; the message says what was tried.
        ValueError: the mirror has the file with other bytes.
    """
    data, _ = _mirrored(dataset, file)
    return fetch(dataset, file).read_bytes() if data is None else data


def fetch(dataset: DataSet, file: File) -> Path:
    """Bring a file into the cache, if it is not there, and say where it is.

    Raises:
        DataUnavailable, ValueError: as in `read`.
    """
    data, no_mirror = _mirrored(dataset, file)
    path = cache_folder() / dataset.name / file.name
    no_cache = _why_not_cached(path, file)
    if no_cache is None:
        return path
    if data is not None:
        _keep(path, file, partial(_copy, data))
        return path
    no_network = _no_network(file.url) or _keep(path, file, partial(_download, file))
    if no_network is None:
        return path
    raise DataUnavailable(
        f"{dataset.name}: {file.name} ({file.n_bytes:,} bytes) cannot be had. "
        f"Mirror: {no_mirror}. Cache: {no_cache}. Network: {no_network}"
    )


def place(dataset: DataSet) -> str:
    """Where all files of a set lie, by name and size: "mirror", "cache" or ""."""
    mirror = _folder(MIRROR)
    if mirror and all(_in_mirror(mirror / dataset.name, file) for file in dataset.files):
        return "mirror"
    try:
        folder = cache_folder() / dataset.name
    except DataUnavailable:
        return ""
    paths = ((folder / file.name, file.n_bytes) for file in dataset.files)
    whole = all(path.is_file() and path.stat().st_size == n_bytes for path, n_bytes in paths)
    return "cache" if whole else ""


def cache_folder() -> Path:
    """The folder of fetched files, in the layout of a mirror; it need not exist."""
    return (_folder(CACHE) or Path(_clients()[0].os_cache("gptcore"))) / "data"


def _folder(variable: str) -> Path | None:
    """The folder that an environment variable names, if it is set."""
    named = os.environ.get(variable)
    return Path(named).expanduser() if named else None


def _clients() -> tuple[ModuleType, ModuleType]:
    """pooch and requests: all that fetches and keeps."""
    try:
        with needing("data"):
            import pooch
            import requests
    except ImportError as error:
        raise DataUnavailable(
            f"data are fetched and kept with pooch and requests. {error}; or set {MIRROR} to a "
            "folder that holds them"
        ) from None
    return pooch, requests


# ------------------------------------------------------------------ mirror and cache


def _in_mirror(folder: Path, file: File) -> Path | None:
    """The file as it is, or gzipped under a name with `.gz` added."""
    paths = (folder / file.name, folder / f"{file.name}.gz")
    return next((path for path in paths if path.is_file()), None)


def _mirrored(dataset: DataSet, file: File) -> tuple[bytes | None, str]:
    """The bytes that the mirror has, or None and why it has not."""
    mirror = _folder(MIRROR)
    if not mirror:
        return None, f"{MIRROR} is not set"
    if not mirror.is_dir():
        return None, f"{MIRROR}={mirror} is no folder"
    path = _in_mirror(mirror / dataset.name, file)
    if path is None:
        return None, f"{mirror / dataset.name} has no {file.name}"
    try:
        with open(path, "rb") if path.name == file.name else gzip.open(path, "rb") as opened:
            data = opened.read(file.n_bytes + 1)  # a bomb of zeros stops here
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is not a whole gzip file: {error}") from None
    except OSError as error:
        return None, f"{path} cannot be read: {error.strerror}"
    if wrong := _difference(data, file):
        raise ValueError(f"{path} is damaged or was changed, so it is not used: {wrong}")
    return data, ""


def _why_not_cached(path: Path, file: File) -> str | None:
    """None if the cache has the right bytes."""
    try:
        with open(path, "rb") as opened:
            wrong = _difference(opened.read(file.n_bytes + 1), file)
    except FileNotFoundError:
        return f"{path} does not exist"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return f"{path} is damaged or was changed: {wrong}" if wrong else None


def _difference(data: bytes, file: File) -> str | None:
    if len(data) != file.n_bytes:
        more = "more than " if len(data) > file.n_bytes else ""
        return f"it has {more}{min(len(data), file.n_bytes):,} bytes, not {file.n_bytes:,}"
    found = hashlib.sha256(data).hexdigest()
    return None if found == file.sha256 else f"its SHA-256 is {found}, not {file.sha256}"


# ------------------------------------------------------------------ into the cache


def _keep(path: Path, file: File, write: Callable[..., None]) -> str | None:
    """Let pooch write, check and rename; None, or what is wrong with the network.

    Raises:
        DataUnavailable: the cache cannot be written to.
    """
    pooch, requests = _clients()
    store = pooch.create(
        path=path.parent,
        base_url="",
        registry={file.name: file.sha256},
        urls={file.name: file.url},
        retry_if_failed=RETRIES,
    )
    log = pooch.get_logger()
    level = log.level
    log.setLevel("WARNING")
    try:
        store.fetch(file.name, downloader=write)
    except requests.RequestException as error:
        why = _said(error, file.url)
        if isinstance(error, requests.ConnectionError | requests.Timeout):
            _answers[urlsplit(file.url).netloc] = time.monotonic(), why
        return why
    except ValueError:
        return f"{file.url} sent other bytes than those of the table; they were not kept"
    except OSError as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        raise DataUnavailable(
            f"{file.name} cannot be kept in {path.parent}: {cause.strerror or cause}. Nothing of "
            f"it is left there; make room for {file.n_bytes:,} bytes, or set {CACHE} to a folder "
            "that can be written to"
        ) from error
    finally:
        log.setLevel(level)
    return None


def _copy(data: bytes, url: str, output: str, pooch: object) -> None:
    """A downloader for pooch that takes the bytes from the mirror."""
    with open(output, "wb") as opened:
        opened.write(data)


def _download(file: File, url: str, output: str, pooch: object) -> None:
    """A downloader for pooch: at most the bytes that are expected, with a bar on a terminal."""
    from tqdm import tqdm

    _, requests = _clients()
    with (
        requests.get(url, stream=True, timeout=(PATIENCE, SILENCE)) as answer,
        open(output, "wb") as opened,
        tqdm(
            total=file.n_bytes, desc=file.name, unit="B", unit_scale=True, leave=False, disable=None
        ) as bar,
    ):
        answer.raise_for_status()
        n_bytes = 0
        for block in answer.iter_content(BLOCK):
            n_bytes += len(block)
            if n_bytes > file.n_bytes:
                raise ValueError(f"{url} sends more than {file.n_bytes} bytes")
            opened.write(block)
            bar.update(len(block))


# ------------------------------------------------------------------ is there a network?

_answers: dict[str, tuple[float, str | None]] = {}
"""Host -> when it was asked, and why it could not be reached."""


def _no_network(url: str) -> str | None:
    """None if the host of `url` answers; else why not, known within `PATIENCE` seconds.

    A time limit of requests holds for each address of a host, and not for finding the addresses;
    an offline machine would wait for a minute. So the question is asked in a thread that is left
    alone when the time is up.
    """
    _, requests = _clients()
    host = urlsplit(url).netloc
    when, why = _answers.get(host, (-REMEMBERED, None))
    if time.monotonic() - when < REMEMBERED:
        return why
    found: list[str | None] = []

    def ask() -> None:
        try:
            requests.head(url, timeout=PATIENCE, stream=True).close()
            found.append(None)
        except OSError as error:  # that of requests is one
            found.append(_said(error, url))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    why = found[0] if found else f"{host} does not answer within {PATIENCE:g} s"
    _answers[host] = time.monotonic(), why
    return why


def _said(error: Exception, url: str) -> str:
    """What a failed request means, in a few words."""
    _, requests = _clients()
    host = urlsplit(url).netloc
    if (why := certificate_trouble(error)) is not None:
        return (
            f"the certificate that answers for {host} is not trusted here ({why}). If a proxy "
            "inspects the traffic, set REQUESTS_CA_BUNDLE to the file with its certificate"
        )
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"{url} answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy that HTTPS_PROXY names does not lead to {host} ({_innermost(error)})"
    if isinstance(error, requests.Timeout):
        return f"{host} does not answer"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return f"{host} broke off before the end of {url}"
    if not isinstance(error, requests.ConnectionError):
        return f"{host} was not asked: {error}"
    return f"{host} cannot be reached"


def certificate_trouble(error: BaseException) -> str | None:
    """Why a certificate was refused, if that is what an error of any HTTP library is about."""
    told = [str(one) for one in _chain(error)]
    refused = re.compile("certificate.verify.failed|doesn't match", re.IGNORECASE)
    about = next((text for text in told if refused.search(text)), None)
    if about is None:
        return None
    reason = re.search(r"certificate verify failed: ([^()\[\]'\"]+)", about)
    return reason[1].strip() if reason else " ".join(about.split())[:200]


def _innermost(error: BaseException) -> str:
    """The last part of the first cause: "[Errno 111] Connection refused" """
    return str(list(_chain(error))[-1]).rpartition(": ")[2].strip("'\")")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what caused it; requests keeps the cause among the arguments."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        inner = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
        error = next((one for one in inner if isinstance(one, BaseException)), None)
