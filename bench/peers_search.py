"""Peers of the gallery. start(NAME, threads, [file of float32 rows, rows, file of probes]):
the row closest to each probe by inner product, one probe at a time."""

import numpy as np

from .peer import serve

DIM = 128


def faiss_flat(rows, threads):
    import faiss
    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(DIM)
    for at in range(0, len(rows), 10000):
        index.add(np.ascontiguousarray(rows[at:at + 10000]))
    return lambda p: int(index.search(p[None], 1)[1][0, 0]), faiss.__version__


def faiss_int8(rows, threads):
    """Its own 8-bit scalar quantiser, which also takes 128 bytes a row."""
    import faiss
    faiss.omp_set_num_threads(threads)
    index = faiss.IndexScalarQuantizer(DIM, faiss.ScalarQuantizer.QT_8bit,
                                       faiss.METRIC_INNER_PRODUCT)
    index.train(np.ascontiguousarray(rows[:10000]))
    for at in range(0, len(rows), 10000):
        index.add(np.ascontiguousarray(rows[at:at + 10000]))
    return lambda p: int(index.search(p[None], 1)[1][0, 0]), faiss.__version__


def numpy(rows, threads):
    del threads  # the driver's environment limits the BLAS
    table = np.array(rows)
    return lambda p: int(np.argmax(table @ p)), np.__version__


def sqlite_vec(rows, threads):
    import apsw  # Python's own sqlite3 is often built without extensions
    import sqlite_vec as vec
    del threads
    db = apsw.Connection(":memory:")
    db.enable_load_extension(True)
    db.load_extension(vec.loadable_path())
    db.execute(f"create virtual table t using vec0(v float[{DIM}] distance_metric=cosine)")
    with db:
        db.executemany("insert into t(rowid, v) values (?, ?)",
                       ((i, r.tobytes()) for i, r in enumerate(rows)))
    return (lambda p: db.execute("select rowid from t where v match ? and k = 1",
                                 (p.tobytes(),)).fetchone()[0]), vec.__version__


def start(name, threads, args):
    rows = np.memmap(args[0], np.float32, "r").reshape(-1, DIM)[:int(args[1])]
    search, version = globals()[name](rows, threads)
    del rows
    probes = np.fromfile(args[2], np.float32).reshape(-1, DIM)
    serve(lambda i: search(probes[i]), len(probes), {"version": version})
