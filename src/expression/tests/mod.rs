mod expectation;
mod hostile;
mod jq;
mod strict;
mod template;
