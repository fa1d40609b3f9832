//! Archives: tar, zip and deb read into a root by one confined writer.
