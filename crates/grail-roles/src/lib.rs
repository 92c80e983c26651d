//! The loops of the roles, over the doors.
