//! Fetches drand rounds and checks them.
