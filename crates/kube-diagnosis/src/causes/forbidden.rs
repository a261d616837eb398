//! A program that the API server refuses something, as its log says: `pods is forbidden: User
//! "system:serviceaccount:shop:default" cannot list resource "pods" in API group ""`
//! (k8s.io/apiserver, `ForbiddenMessage`).

use crate::cause::Cause;

/// Says of what a program may not do which right it lacks.
pub(super) fn explain(of_pods: &mut [Cause]) {
    for cause in of_pods {
        if let Some(Refusal { namespace, account, verb, resource }) = refusal(&cause.detail) {
            let default = match account {
                "default" => " (set serviceAccountName: it runs as the default ServiceAccount)",
                _ => "",
            };
            cause.hint = format!(
                "grant {verb} on {resource} to ServiceAccount {account}{default}: kubectl auth can-i {verb} \
                    {resource} -n {} --as=system:serviceaccount:{namespace}:{account}",
                cause.object.namespace
            );
        }
    }
}

struct Refusal<'a> {
    namespace: &'a str,
    account: &'a str,
    verb: &'a str,
    resource: &'a str,
}

fn refusal(line: &str) -> Option<Refusal<'_>> {
    let user = line.split_once("system:serviceaccount:")?.1;
    let (user, rest) = user.split_once(['"', '\\'])?;
    let (namespace, account) = user.split_once(':')?;
    let verb = rest.split_once("cannot ")?.1;
    let (verb, rest) = verb.split_once(" resource ")?;
    let resource = rest.trim_start_matches(['"', '\\']).split(['"', '\\']).next()?;
    let plain = |word: &str| {
        !word.is_empty()
            && word.chars().all(|one| one.is_ascii_alphanumeric() || "-./".contains(one))
    };
    [namespace, account, verb, resource].iter().all(|word| plain(word)).then_some(Refusal {
        namespace,
        account,
        verb,
        resource,
    })
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn the_words_of_the_api_server_name_the_right() {
        let line = "pods is forbidden: User \"system:serviceaccount:shop:app\" cannot list resource \
            \"pods\" in API group \"\" in the namespace \"shop\"";
        for line in [line.to_owned(), line.replace('"', "\\\"")] {
            let said = refusal(&line).unwrap();
            assert_eq!((said.namespace, said.account), ("shop", "app"));
            assert_eq!((said.verb, said.resource), ("list", "pods"));
        }
        assert!(refusal("403 forbidden").is_none());
        assert!(refusal("system:serviceaccount:a:b\" cannot $(x) resource \"pods\"").is_none());
    }
}
