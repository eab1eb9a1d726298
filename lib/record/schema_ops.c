/*
 * schema_ops.c - the operations of customize: and instance:, and their
 * arguments.  What each does is lib/guest's business.
 */
#include "lib/record/schema.h"

#define REQUIRED VM_SCHEMA_REQUIRED
#define CHOICE VM_SCHEMA_CHOICE
#define RECORD VM_SCHEMA_RECORD

#define SHA256_FIELD                                                           \
	{                                                                      \
		"sha256", &vm_schema_sha256, RECORD, NULL,                     \
		    "digest of the file, set by vmfetch"                       \
	}

static const struct vm_schema hash = {
	.kind = VM_SCHEMA_TEXT,
	.what = "a password hash of crypt(5), or ! for none",
	.secret = true,
	.pattern = "^(\\$(5|6|y|7|gy|2[aby])\\$[A-Za-z0-9./=,$-]+|[!*])$",
	.max = 512,
};

static const struct vm_schema password = {
	.kind = VM_SCHEMA_TEXT,
	.what = "one line of text",
	.secret = true,
	.vars = true,
	.pattern = "^[^\r\n]+$",
	.max = 512,
};

static const struct vm_schema_field secret_fields[] = {
	{ "hash", &hash, CHOICE, NULL, "the password's hash, see crypt(5)" },
	{ "file", &vm_schema_local_file, CHOICE, NULL,
	    "a file with the password in its first line" },
	{ "plain", &password, CHOICE | VM_SCHEMA_PLAIN, NULL,
	    "the password itself; under instance: only" },
	{ "sha256", &vm_schema_sha256, RECORD, "file",
	    "digest of the file, set by vmfetch" },
	{ 0 }
};

static const struct vm_schema secret = {
	.kind = VM_SCHEMA_MAP,
	.what = "{hash: ...} or {file: ...}",
	.fields = secret_fields,
	.scalar_as = "plain",
	.need_choice = true,
};

static const struct vm_schema public_key = {
	.kind = VM_SCHEMA_TEXT,
	.what = "a public SSH key: type, base64 and perhaps a comment",
	.pattern = "^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|"
		   "sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\\.com) "
		   "[A-Za-z0-9+/]+={0,2}( [^\r\n]*)?$",
	.max = 16384,
};

static const struct vm_schema_field key_fields[] = {
	{ "key", &public_key, CHOICE, NULL, "the public key itself" },
	{ "file", &vm_schema_local_file, CHOICE, NULL,
	    "a file with the public key" },
	{ "sha256", &vm_schema_sha256, RECORD, "file",
	    "digest of the file, set by vmfetch" },
	{ 0 }
};

static const struct vm_schema key = {
	.kind = VM_SCHEMA_MAP,
	.what = "a public SSH key or {file: ...}",
	.fields = key_fields,
	.scalar_as = "key",
	.need_choice = true,
};

static const struct vm_schema keys = {
	.kind = VM_SCHEMA_LIST,
	.what = "a list of public SSH keys",
	.item = &key,
	.min = 1,
	.max = 100,
};

static const struct vm_schema groups = {
	.kind = VM_SCHEMA_LIST,
	.what = "a list of groups",
	.item = &vm_schema_word,
	.min = 1,
	.max = 100,
};

/* Nothing that a package manager could take for an option. */
static const struct vm_schema package = {
	.kind = VM_SCHEMA_TEXT,
	.what = "the name of a package",
	.pattern = "^[A-Za-z0-9@][A-Za-z0-9@._+:=~/-]*$",
	.max = 256,
};

static const struct vm_schema packages = {
	.kind = VM_SCHEMA_LIST,
	.what = "a list of packages",
	.item = &package,
	.min = 1,
	.max = 1000,
};

static const struct vm_schema timezone_name = {
	.kind = VM_SCHEMA_TEXT,
	.what = "a time zone such as Europe/Berlin",
	.vars = true,
	.max = 100,
	.pattern = "^[A-Za-z0-9][A-Za-z0-9+_-]*(/[A-Za-z0-9][A-Za-z0-9+_-]*)*$",
};

static const struct vm_schema link_target = {
	.kind = VM_SCHEMA_TEXT,
	.what = "what the symbolic link says",
	.vars = true,
	.pattern = "^[^\r\n]+$",
	.max = 4095,
};

static const struct vm_schema command = {
	.kind = VM_SCHEMA_TEXT,
	.what = "a shell command",
	.vars = true,
	.min = 1,
	.max = 65536,
};

static const struct vm_schema_field write_fields[] = {
	{ "path", &vm_schema_guest_path, REQUIRED, NULL, "the file" },
	{ "content", &vm_schema_text, REQUIRED, NULL, "all that is in it" },
	{ "mode", &vm_schema_mode, 0, NULL, "its mode, else 0644" }, { 0 }
};

static const struct vm_schema_field append_fields[] = {
	{ "path", &vm_schema_guest_path, REQUIRED, NULL,
	    "the file, made when absent" },
	{ "line", &vm_schema_line, REQUIRED, NULL, "the line to add" }, { 0 }
};

static const struct vm_schema_field upload_fields[] = {
	{ "source", &vm_schema_local_file, REQUIRED, NULL,
	    "the file here, relative to the manifest" },
	{ "path", &vm_schema_guest_path, REQUIRED, NULL, "the file there" },
	{ "mode", &vm_schema_mode, 0, NULL, "its mode, else 0644" },
	SHA256_FIELD, { 0 }
};

static const struct vm_schema_field mkdir_fields[] = {
	{ "path", &vm_schema_guest_path, REQUIRED, NULL,
	    "the directory; its parents are made as well" },
	{ "mode", &vm_schema_mode, 0, NULL, "its mode, else 0755" }, { 0 }
};

static const struct vm_schema_field delete_fields[] = {
	{ "path", &vm_schema_guest_path, REQUIRED, NULL,
	    "the file, or the directory with all in it" },
	{ 0 }
};

static const struct vm_schema_field link_fields[] = {
	{ "target", &link_target, REQUIRED, NULL, "what the link points to" },
	{ "path", &vm_schema_guest_path, REQUIRED, NULL, "the symbolic link" },
	{ 0 }
};

static const struct vm_schema_field chmod_fields[] = {
	{ "path", &vm_schema_guest_path, REQUIRED, NULL,
	    "the file or directory" },
	{ "mode", &vm_schema_mode, REQUIRED, NULL, "its mode" }, { 0 }
};

static const struct vm_schema_field user_fields[] = {
	{ "name", &vm_schema_word, REQUIRED, NULL,
	    "the account, made when absent" },
	{ "groups", &groups, 0, NULL, "further groups it is in" },
	{ "sudo", &vm_schema_flag_value, 0, NULL,
	    "may run anything as root without a password" },
	{ "ssh_keys", &keys, 0, NULL, "public keys that may log in" },
	{ "password", &secret, 0, NULL, "else the account has none" },
	{ "shell", &vm_schema_guest_path, 0, NULL, "else /bin/bash" }, { 0 }
};

static const struct vm_schema_field inject_fields[] = {
	{ "user", &vm_schema_word, REQUIRED, NULL, "an existing account" },
	{ "key", &public_key, CHOICE, NULL,
	    "the public key; else the caller's own" },
	{ "file", &vm_schema_local_file, CHOICE, NULL,
	    "a file with the public key" },
	{ "sha256", &vm_schema_sha256, RECORD, "file",
	    "digest of the file, set by vmfetch" },
	{ 0 }
};

static const struct vm_schema_field script_fields[] = {
	{ "source", &vm_schema_local_file, REQUIRED, NULL,
	    "the script here, relative to the manifest" },
	SHA256_FIELD, { 0 }
};

#define MAP(name, text, short_for)                                             \
	static const struct vm_schema name##_args = { .kind = VM_SCHEMA_MAP,   \
		.what = (text),                                                \
		.fields = name##_fields,                                       \
		.scalar_as = (short_for) }

MAP(write, "{path, content}", NULL);
MAP(append, "{path, line}", NULL);
MAP(upload, "{source, path}", NULL);
MAP(mkdir, "an absolute path in the guest", "path");
MAP(delete, "an absolute path in the guest", "path");
MAP(link, "{target, path}", NULL);
MAP(chmod, "{path, mode}", NULL);
MAP(user, "{name, ...}", NULL);
MAP(inject, "a user, or {user, key} or {user, file}", "user");
MAP(script, "the name of a script on this host", "source");

static const struct vm_schema_field operation_fields[] = {
	{ "hostname", &vm_schema_hostname, CHOICE, NULL, "set the host name" },
	{ "write", &write_args, CHOICE, NULL, "write a file" },
	{ "append_line", &append_args, CHOICE, NULL, "add a line to a file" },
	{ "upload", &upload_args, CHOICE, NULL, "copy a file of this host" },
	{ "mkdir", &mkdir_args, CHOICE, NULL, "make a directory" },
	{ "delete", &delete_args, CHOICE, NULL, "remove a file or directory" },
	{ "link", &link_args, CHOICE, NULL, "make a symbolic link" },
	{ "chmod", &chmod_args, CHOICE, NULL, "set a mode" },
	{ "user", &user_args, CHOICE, NULL, "make or change an account" },
	{ "root_password", &secret, CHOICE, NULL, "set root's password" },
	{ "ssh_inject", &inject_args, CHOICE, NULL,
	    "let a public key log in as an existing account" },
	{ "timezone", &timezone_name, CHOICE, NULL, "set the time zone" },
	{ "run", &script_args, CHOICE, NULL,
	    "run a script of this host inside" },
	{ "run_command", &command, CHOICE, NULL, "run a shell command inside" },
	{ "install", &packages, CHOICE, NULL,
	    "install packages of the guest's system; has a network" },
	{ "firstboot", &script_args, CHOICE, NULL,
	    "run a script of this host at the first boot" },
	{ "firstboot_command", &command, CHOICE, NULL,
	    "run a shell command at the first boot" },
	{ 0 }
};

const struct vm_schema vm_schema_operation = {
	.kind = VM_SCHEMA_MAP,
	.what = "an operation such as {install: [nginx]}",
	.fields = operation_fields,
	.need_choice = true,
};

const struct vm_schema vm_schema_operations = {
	.kind = VM_SCHEMA_LIST,
	.what = "a list of operations",
	.item = &vm_schema_operation,
	.max = 1000,
};
