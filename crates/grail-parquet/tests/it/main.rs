//! The public face of the codec: round trips, canonical bytes, and files made to hurt.

mod canonical;
mod forge;
mod hostile;
mod round_trip;
mod sample;
mod strangers;
