//! The fleet: what is known about clusters, when they are read, and their table.

pub mod circuit;
pub mod columns;
pub mod discovery;
pub mod filter;
pub mod order;
pub mod polling;
pub mod readings;
pub mod row;
pub mod selection;
pub mod state;
pub mod table;
pub mod text;
pub mod update;
pub mod view;
