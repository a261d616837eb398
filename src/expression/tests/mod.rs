mod hostile;
mod jq;
mod template;
