mod hostile;
mod jq;
