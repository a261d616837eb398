//! Plain values of the Kubernetes API: kinds, requests, permissions, errors; and the port through
//! which a run knows a cluster. Nothing here talks to a server.

mod access;
mod error;
mod identity;
mod port;
pub(crate) mod resource;
mod write;

pub use access::{Access, AccessAnswer};
pub use error::{Error, ErrorKind};
pub use identity::Identity;
pub use port::{Place, Port, Sender};
pub use resource::{Resource, builtin};
pub use write::{Again, FIELD_MANAGER, Method, Write};
