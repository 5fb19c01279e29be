//! Parts of screens that are used twice or are large enough to stand alone.

pub mod button;
pub mod facts;
pub mod footer;
pub mod header;
pub mod node;
pub mod notices;
pub mod overview;
pub mod preview;
pub mod records;
pub mod roll;
pub mod rotation;
pub mod scrollbar;
pub mod stepper;
pub mod table;
pub mod timeline;
