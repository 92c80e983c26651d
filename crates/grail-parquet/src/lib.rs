//! Window files as Parquet.
