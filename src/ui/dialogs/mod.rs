//! One file per dialog, and the frame that all of them share.

pub mod confirm;
pub mod frame;
pub mod issue;
pub mod menu;
pub mod quit;
pub mod rotate;
