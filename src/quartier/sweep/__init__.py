"""Studies: one scenario over values of its keys, mechanisms and seeds, each a run of its own.

`cells` says which runs a study asks for; `scheduling` has Dask run them, each in a process of its
own (`single`, forked from a `template`), whose run folder is all that is kept; `study` finds what
is missing, and puts KPIs into tables; `tables` adds up over seeds.
"""
