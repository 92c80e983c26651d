//! What lies on the shelf, byte for byte: window files, manifests, keys.
