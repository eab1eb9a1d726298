#include "lib/source/aws.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/ini.h"

#define FILE_MAX ((size_t)1 << 20)

/* What is looked for in the files, beside what is found. */
struct search {
	struct vm_aws *aws;
	const char *profile;
	bool found;   /* the profile */
	bool foreign; /* it says how to make credentials */
};

static const char *
get_env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Set what has no value yet. */
static int
offer(char **setting, const char *value, struct vm_error *err)
{
	if (*setting != NULL || value == NULL || value[0] == '\0')
		return 0;
	*setting = vm_buf_printf(err, "%s", value);
	return *setting == NULL ? -1 : 0;
}

static int
load_env(struct vm_aws *aws, struct vm_error *err)
{
	const char *id = get_env("AWS_ACCESS_KEY_ID");
	const char *secret = get_env("AWS_SECRET_ACCESS_KEY");

	if ((id == NULL) != (secret == NULL))
		return vm_error_set(err, VM_E_CONFIG, "half_credentials",
		    "S3: %s is set, but not %s",
		    id != NULL ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
		    id != NULL ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
	if (offer(&aws->key_id, id, err) == -1 ||
	    offer(&aws->secret, secret, err) == -1 ||
	    (id != NULL &&
		offer(&aws->token, get_env("AWS_SESSION_TOKEN"), err) == -1) ||
	    offer(&aws->region, get_env("AWS_REGION"), err) == -1 ||
	    offer(&aws->region, get_env("AWS_DEFAULT_REGION"), err) == -1 ||
	    offer(&aws->endpoint, get_env("AWS_ENDPOINT_URL_S3"), err) == -1)
		return -1;
	return offer(&aws->endpoint, get_env("AWS_ENDPOINT_URL"), err);
}

/* --- the files ----------------------------------------------------------- */

/* In the config file all profiles but the default are "profile NAME". */
static bool
is_profile(const char *section, const char *profile)
{
	if (strncmp(section, "profile ", 8) == 0)
		section += 8 + strspn(section + 8, " ");
	return strcmp(section, profile) == 0;
}

static bool
is_foreign(const char *key)
{
	return strcmp(key, "credential_process") == 0 ||
	    strcmp(key, "role_arn") == 0 || strncmp(key, "sso_", 4) == 0;
}

static int
take(struct search *search, struct vm_aws *keys,
    const struct vm_ini_entry *entry, struct vm_error *err)
{
	const struct {
		const char *key;
		char **setting;
	} settings[] = {
		{ "aws_access_key_id", &keys->key_id },
		{ "aws_secret_access_key", &keys->secret },
		{ "aws_session_token", &keys->token },
		{ "region", &search->aws->region },
		{ "endpoint_url", &search->aws->endpoint },
	};

	search->foreign |= is_foreign(entry->key);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (strcmp(settings[i].key, entry->key) == 0)
			return offer(settings[i].setting, entry->value, err);
	return 0;
}

/* Keys of one file belong together: all of them or none. */
static int
adopt_keys(struct vm_aws *aws, struct vm_aws *keys, const char *path,
    struct vm_error *err)
{
	if ((keys->key_id == NULL) != (keys->secret == NULL))
		return vm_error_set(err, VM_E_CONFIG, "half_credentials",
		    "%s: one of aws_access_key_id and aws_secret_access_key "
		    "is missing",
		    path);
	if (aws->key_id != NULL || keys->key_id == NULL)
		return 0;
	aws->key_id = VM_TAKE(keys->key_id);
	aws->secret = VM_TAKE(keys->secret);
	aws->token = VM_TAKE(keys->token);
	return 0;
}

static int
read_profile(struct search *search, struct vm_buf *text, const char *path,
    struct vm_error *err)
{
	struct vm_aws keys VM_CLEAN_AWS = { 0 };
	struct vm_ini_entry entry;
	struct vm_ini ini;
	int result;

	if (vm_ini_init(&ini, text, path, err) == -1)
		return -1;
	while ((result = vm_ini_next(&ini, &entry, err)) == 1) {
		if (!is_profile(entry.section, search->profile))
			continue;
		search->found = true;
		if (entry.key != NULL && take(search, &keys, &entry, err) == -1)
			return -1;
	}
	return result == -1 ? -1 : adopt_keys(search->aws, &keys, path, err);
}

/* A file that is not there has nothing to say. */
static int
load_file(struct search *search, const char *variable, const char *usual,
    struct vm_error *err)
{
	const char *named = get_env(variable), *home = get_env("HOME");
	char *path VM_CLEAN_FREE = NULL;
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	VM_CLEAN_FD int fd = -1;
	struct stat st;
	int result;

	if (named == NULL && home == NULL)
		return 0;
	path = named != NULL ? vm_buf_printf(err, "%s", named) :
			       vm_buf_printf(err, "%s/.aws/%s", home, usual);
	if (path == NULL)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd == -1 || fstat(fd, &st) == -1)
		return vm_error_errno(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode)) /* /dev/null is a way to say none */
		return 0;
	/* No reallocation, which would leave a copy of a secret behind. */
	if (vm_buf_reserve(&text, FILE_MAX + 1, err) == -1)
		return -1;
	result = vm_fd_slurp(fd, FILE_MAX, &text, path, err) == -1 ?
	    -1 :
	    read_profile(search, &text, path, err);
	explicit_bzero(text.data, text.len);
	return result;
}

static int
check(const struct search *search, struct vm_error *err)
{
	if (!search->found && get_env("AWS_PROFILE") != NULL &&
	    search->aws->key_id == NULL)
		return vm_error_set(err, VM_E_CONFIG, "no_profile",
		    "S3: the profile %s (AWS_PROFILE) is in neither of AWS's "
		    "files",
		    search->profile);
	if (!search->foreign || search->aws->key_id != NULL)
		return 0;
	vm_error_set(err, VM_E_CONFIG, "foreign_credentials",
	    "S3: the profile %s has no keys of its own", search->profile);
	return vm_error_hint(err,
	    "eval \"$(aws configure export-credentials --format env)\"");
}

int
vm_aws_load(struct vm_aws *aws, struct vm_error *err)
{
	struct vm_aws made VM_CLEAN_AWS = { 0 };
	const char *profile = get_env("AWS_PROFILE");
	struct search search = { .aws = &made,
		.profile = profile != NULL ? profile : "default" };

	if (load_env(&made, err) == -1 ||
	    load_file(&search, "AWS_SHARED_CREDENTIALS_FILE", "credentials",
		err) == -1 ||
	    load_file(&search, "AWS_CONFIG_FILE", "config", err) == -1 ||
	    check(&search, err) == -1 ||
	    offer(&made.region, "us-east-1", err) == -1)
		return -1;
	*aws = made;
	made = (struct vm_aws){ 0 };
	return 0;
}

static void
forget(char **secret)
{
	if (*secret != NULL)
		explicit_bzero(*secret, strlen(*secret));
	free(VM_TAKE(*secret));
}

void
vm_aws_release(struct vm_aws *aws)
{
	forget(&aws->secret);
	forget(&aws->token);
	free(aws->key_id);
	free(aws->region);
	free(aws->endpoint);
	*aws = (struct vm_aws){ 0 };
}
