//! A root file system as data: a plan of mounts, devices and ids, and the interpreter that executes it.
