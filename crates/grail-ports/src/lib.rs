//! The doors to the outside and to the model.
