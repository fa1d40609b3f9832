//! lithos: containers in production. Supervises processes in sandboxes that files on the host and in the image
//! describe. Nothing here downloads, builds or listens to a network.

pub mod beside;
pub mod check;
pub mod clean;
pub mod cmd;
pub mod config;
pub mod crypt;
pub mod history;
pub mod image;
pub mod init;
pub mod instance;
pub mod knot;
pub mod log;
pub mod mkdev;
pub mod multicall;
pub mod network;
pub mod options;
pub mod origin;
pub mod policy;
pub mod program;
pub mod ps;
pub mod running;
pub mod sandboxes;
pub mod secrets;
pub mod switch;
pub mod taken;
pub mod tree;
