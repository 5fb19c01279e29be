//! Floor 2: the outside world, one folder each. Wire types stay inside; what leaves are domain types.

pub mod ske;
