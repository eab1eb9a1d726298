#include "lib/source/mirror.h"

#include "lib/base/log.h"
#include "lib/source/origin.h"

static bool
is_one(uint32_t set)
{
	return set != 0 && (set & (set - 1)) == 0;
}

/* The lowest URL of a set that is not empty. */
static int
lowest(uint32_t set)
{
	return __builtin_ctz(set);
}

int
vm_mirrors_next(const struct vm_mirrors *m, int after)
{
	uint32_t all = ((uint32_t)2 << m->source->mirror_count) - 1;
	uint32_t left = all & ~m->liars;

	if (m->suspects != 0) /* one of them, alone */
		left &= m->suspects & -m->suspects;
	left &= ~(((uint32_t)1 << (after + 1)) - 1);
	return left == 0 ? -1 : lowest(left);
}

static const char *
location(const struct vm_mirrors *m, int url)
{
	return url == 0 ? m->source->location :
			  m->source->mirrors[url - 1].location;
}

const char *
vm_mirrors_shown(const struct vm_mirrors *m, int url)
{
	return url == 0 ? m->source->shown : m->source->mirrors[url - 1].shown;
}

unsigned
vm_mirrors_count(const struct vm_mirrors *m)
{
	unsigned count = 0;

	for (int url = -1; (url = vm_mirrors_next(m, url)) != -1;)
		count++;
	return count;
}

int
vm_mirrors_get(const struct vm_mirrors *m, int url,
    const struct vm_http_request *request, const struct vm_http_sink *sink,
    struct vm_http_reply *reply, struct vm_error *err)
{
	struct vm_http_request own = *request;
	struct vm_http_access open = { 0 };

	own.url = location(m, url);
	if (url == 0)
		return vm_origin_get(m->source, &own, sink, reply, err);
	if (own.access != NULL) {
		open.ca_file = own.access->ca_file;
		open.no_private = own.access->no_private;
	}
	own.access = &open;
	return vm_http_get(&own, sink, reply, err);
}

static void
name_liar(const struct vm_mirrors *m, uint32_t liar)
{
	vm_log(VM_LOG_WARN, "%s: it has other bytes than were asked for",
	    vm_mirrors_shown(m, lowest(liar)));
}

bool
vm_mirrors_blame(struct vm_mirrors *m)
{
	uint32_t given = m->given;

	m->given = 0;
	if (given == 0 || m->source->mirror_count == 0)
		return false;
	if (!is_one(given)) {
		m->suspects = given;
		return true;
	}
	name_liar(m, given);
	m->found |= m->suspects != 0;
	m->liars |= given;
	m->suspects &= ~given;
	return vm_mirrors_next(m, -1) != -1;
}

void
vm_mirrors_absolve(const struct vm_mirrors *m)
{
	uint32_t rest = m->suspects & ~m->given;

	if (!m->found && is_one(rest))
		name_liar(m, rest);
}
