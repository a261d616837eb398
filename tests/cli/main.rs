//! The program as its user sees it: arguments in; stdout, stderr and exit code out. One binary, so
//! that it links once.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

mod alert;
mod backups;
mod bad_input;
mod binding;
mod bounded;
mod catalogue;
mod changes;
mod commands;
mod completions;
mod configuration;
mod databases;
mod differential;
mod disk;
mod docs;
mod documentation;
mod due;
mod embed;
mod explain;
mod faults;
mod flow;
mod fmt;
mod history;
mod hostile;
mod kubectl;
mod leaks;
mod lock;
mod look;
mod machine;
mod mistakes;
mod network;
mod new;
mod newcomer;
mod notify;
mod object;
mod part;
mod persons;
mod programs;
mod real;
mod recording;
mod released;
mod report;
mod resume;
mod save;
mod scenarios;
mod secrets;
mod support;
mod terminal;
mod testing;
mod trust;
mod tutorial;
mod waits;
mod worlds;
