# vmsched without VMs: check, schema, plan, and what it refuses.

load ../lib/common

manifest()
{
	cat >shop.yaml <<-'END'
		vmpipe: 1
		service: shop
		roles:
		  web:
		    image: {source: debian-12}
		    after: [db]
		    replicas: {min: 1, initial: 2, max: 4}
		  db:
		    image: {source: debian-12}
		    instance:
		      - upload: {source: db.conf, path: /etc/db.conf}
	END
	echo x >db.conf
}

@test "check says ok, and touches nothing" {
	manifest
	status_is 0 vmsched check shop.yaml
	out_is ''
	err_is 'vmsched: shop.yaml: ok: service shop, 2 roles'
	status_is 0 vmsched check -q shop.yaml
	err_is ''
	[ ! -e "$VMPIPE_ROOT" ]
}

@test "check shows every problem, in the order of the file" {
	printf '%s\n' 'vmpipe: 1' 'servcie: shop' 'roles:' '  web:' \
	    '    image: {source: a}' '    memory: lots' >bad.yaml
	status_is 65 vmsched check bad.yaml
	err_is 'vmsched: bad.yaml:2:1: unknown key "servcie"; did you mean "service"?
vmsched: bad.yaml:6:13: roles.web.memory: expected a size such as 512M, at least 16M, found "lots"'
}

@test "check reads stdin, and several files" {
	manifest
	run --separate-stderr vmsched check - <shop.yaml
	[ "$status" = 0 ]
	err_is 'vmsched: <stdin>: ok: service shop, 2 roles'
	status_is 66 vmsched check absent.yaml shop.yaml
	err_is 'vmsched: absent.yaml: No such file or directory
vmsched: shop.yaml: ok: service shop, 2 roles'
}

@test "check misses a file that is to be uploaded" {
	manifest
	rm db.conf
	status_is 66 vmsched check shop.yaml
	err_has 'shop.yaml: roles.db: '
	err_has 'db.conf'
}

@test "hostile YAML is refused with its position" {
	printf 'a: &x 1\n' >f.yaml
	status_is 65 vmsched check f.yaml
	err_is 'vmsched: f.yaml:1:4: anchors (&) are not accepted'
	printf '\xff\xfea\0' >f.yaml
	status_is 65 vmsched check f.yaml
	err_is 'vmsched: f.yaml:1:1: UTF-16: save it as UTF-8'
	head -c 5M /dev/zero | tr '\0' x >f.yaml
	status_is 65 vmsched check f.yaml
	printf 'a: "\\e[2J"\nb\x1b: 1\n' >f.yaml
	status_is 65 vmsched check f.yaml
	[[ $stderr != *$'\e'* ]]
}

@test "a hundred thousand brackets are refused at the 33rd" {
	printf '[%.0s' {1..100000} >f.yaml
	status_is 65 vmsched check f.yaml
	err_is 'vmsched: f.yaml:1:33: nested too deeply'
}

@test "schema is JSON Schema and names every key the manual page names" {
	requires jq
	vmsched schema >schema.json
	[ "$(jq -r '.properties | keys_unsorted | join(" ")' schema.json)" = \
	    'vmpipe service roles' ]
	jq -r '.. | objects | select(.type == "object") | .properties? // {} |
	    keys[]' schema.json | sort -u >keys
	sed -n 's/^\.It Ic \([a-z0-9_]*\).*/\1/p' \
	    "$top/man/vmpipe-manifest.5" | sort -u >named
	run diff keys named
	[ "$output" = '' ]
}

@test "the manual page's manifest is good" {
	sed -n '/the manifest that a test/,/^\.Ed/{/^\./d; s/\\e/\\/g; p}' \
	    "$top/man/vmpipe-manifest.5" >shop.yaml
	[ "$(wc -l <shop.yaml)" -gt 20 ]
	mkdir keys
	touch keys/root.pub
	status_is 0 vmsched check shop.yaml
}

@test "the examples are good" {
	for example in "$top"/examples/*.yaml; do
		status_is 0 vmsched check "$example"
	done
}

@test "plan without a store: all is to be made, and none is made" {
	manifest
	status_is 0 vmsched plan --json -o name,action,state shop.yaml
	out_is '{"name":"shop-db-1","action":"create","state":"absent"}
{"name":"shop-web-1","action":"create","state":"absent"}
{"name":"shop-web-2","action":"create","state":"absent"}'
	status_is 2 vmsched plan --detailed-exitcode shop.yaml
	status_is 0 vmsched apply -n -Ho name shop.yaml
	out_is 'shop-db-1
shop-web-1
shop-web-2'
	[ ! -e "$VMPIPE_ROOT" ]
}

@test "an image that is nowhere fails its role, and those that wait for it" {
	manifest
	status_is 69 vmsched apply -Ho role,state,error.tool shop.yaml
	out_is 'db	failed	vmfetch
web	failed	vmsched'
	err_has 'vmfetch: shop/db: debian-12: no such alias'
	err_has 'vmsched: shop/web: not begun: role db, which it comes after, is not ready'
	no_litter
	# what was asked for is known nevertheless
	status_is 0 vmsched status -Ho name,state,action
	out_is 'shop-db-1	absent	create
shop-web-1	absent	create
shop-web-2	absent	create'
	status_is 0 vmsched delete shop
	status_is 66 vmsched status shop
	err_is 'vmsched: service shop: nothing was applied; run: vmsched apply MANIFEST'
}

@test "scale keeps to what the manifest allows, and outlives an apply" {
	manifest
	run vmsched apply shop.yaml
	status_is 64 vmsched scale shop/web 5
	err_is 'vmsched: role web: the manifest allows 1 to 4 VMs, not 5'
	status_is 66 vmsched scale shop/wbe 3
	err_is 'vmsched: service shop has no role wbe; did you mean web?'
	status_is 64 vmsched scale shop 3
	status_is 64 vmsched scale shop/web x
	status_is 0 vmsched scale -n -Ho name,action shop/web 3
	out_is 'shop-web-1	create
shop-web-2	create
shop-web-3	create'
	run vmsched scale shop/web 3
	status_is 0 vmsched plan -Ho name shop.yaml
	out_is 'shop-db-1
shop-web-1
shop-web-2
shop-web-3'
	# the manifest's word counts again once it has changed there
	sed -i 's/initial: 2/initial: 1/' shop.yaml
	status_is 0 vmsched plan -Ho name shop.yaml
	out_is 'shop-db-1
shop-web-1'
}

@test "what was asked for is kept for its owner only" {
	manifest
	run vmsched apply shop.yaml
	[ "$(stat -c %a "$VMPIPE_ROOT/services/shop.json")" = 600 ]
	echo '{"vmpipe":1,"service":"shop","manifest":"a: *x"}' \
	    >"$VMPIPE_ROOT/services/shop.json"
	status_is 65 vmsched status shop
	err_has 'services/shop.json: shop.yaml:1:4: aliases'
	run vmsched apply shop.yaml
	status_is 0 vmsched status shop
}

@test "bad words on the command line" {
	status_is 64 vmsched
	err_has 'say what to do: check, schema, plan, apply, status, scale or delete'
	status_is 64 vmsched chekc x
	status_is 64 vmsched check
	status_is 64 vmsched schema x
	status_is 64 vmsched check --prune x.yaml
	err_has 'an option that is not for: vmsched check MANIFEST'
	status_is 66 vmsched delete nothing
	manifest
	run vmsched apply shop.yaml
	status_is 64 vmsched delete ../x
	status_is 66 vmsched delete nothing
}

@test "clones made by hand are planned too; what never ran is rebuilt" {
	requires jq
	head -c 4194304 /dev/urandom >base.raw
	vmfetch -q -a base ./base.raw >/dev/null
	manifest
	sed -i 's/debian-12/base/' shop.yaml
	vmfetch -f shop.yaml --role web | vmclone -c 3 >/dev/null
	status_is 2 vmsched plan --detailed-exitcode -Ho name,state,action shop.yaml
	out_is 'shop-db-1	absent	create
shop-web-1	cloned	start
shop-web-2	cloned	start
shop-web-3	cloned	extra'
	status_is 0 vmsched plan --prune -Ho name,action shop.yaml
	out_has 'shop-web-3	remove'
	sed -i 's/replicas: {/memory: 1G\n    replicas: {/' shop.yaml
	status_is 0 vmsched plan --json -o name,action,drift shop.yaml
	out_has '{"name":"shop-web-1","action":"rebuild","drift":["machine"]}'
	# another's data is not in the way, a file that changed is seen
	vmfetch -f shop.yaml --role db | vmclone >/dev/null
	status_is 0 vmsched plan -Ho name,action shop.yaml
	out_has 'shop-db-1	start'
	# without having been applied, the VMs are there all the same
	status_is 0 vmsched status -Ho name,action shop
	[[ ${lines[0]} == 'shop-db-1	-' && ${#lines[@]} == 4 ]]
	status_is 0 vmsched delete -n -Ho name,action shop/web shop/db
	[[ ${#lines[@]} == 4 && ${lines[3]} == 'shop-db-1	remove' ]]
	status_is 0 vmsched delete -Ho name,state shop/web
	out_is 'shop-web-3	removed
shop-web-2	removed
shop-web-1	removed'
	[ "$(vmls -Ho name)" = shop-db-1 ]
}

@test "two at once: one works, the other is told so" {
	manifest
	run vmsched apply shop.yaml
	exec 9<>"$VMPIPE_ROOT/locks/service-shop"
	flock 9
	status_is 75 vmsched apply shop.yaml
	err_has 'service shop: another vmsched is at work on it'
	exec 9>&-
}

@test "the commands beside vmsched are taken; what becomes of them is said" {
	manifest
	mkdir bin
	cp "$VMPIPE_BUILD/bin/vmsched" bin
	printf '#!/bin/sh\nkill -9 $$\n' >bin/vmfetch
	chmod +x bin/vmfetch
	status_is 69 bin/vmsched apply -Ho role,error.message shop.yaml
	out_is 'db	vmfetch was ended by signal 9
web	not begun: role db, which it comes after, is not ready'
	printf '#!/bin/sh\necho "{nonsense"\n' >bin/vmfetch
	status_is 1 bin/vmsched apply -Ho error.code shop.yaml
	out_is 'bad_output
after_not_ready'
	printf '#!/bin/sh\nexit 74\n' >bin/vmfetch
	status_is 1 bin/vmsched apply -Ho error.status shop.yaml
	out_is '74
69'
	# it is given the manifest, and works where the manifest is
	cat >bin/vmfetch <<-'END'
		#!/bin/sh
		printf '%s\n' "$*" >args; cat >stdin; exit 66
	END
	mkdir elsewhere
	(cd elsewhere &&
	    run ../bin/vmsched apply -q ../shop.yaml)
	[ "$(<args)" = "--root $VMPIPE_ROOT -q -f - --role db" ]
	cmp stdin shop.yaml
}

@test "a signal ends it and the command that it waits for" {
	manifest
	mkdir bin
	cp "$VMPIPE_BUILD/bin/vmsched" bin
	printf '#!/bin/sh\necho $$ >pid\nexec tail -f /dev/null\n' >bin/vmfetch
	chmod +x bin/vmfetch
	bin/vmsched apply shop.yaml >out 2>&1 3>&- &
	sched=$!
	wait_for test -s pid
	kill -TERM "$sched"
	status=0
	wait "$sched" || status=$?
	[ "$status" = 143 ]
	wait_for gone "$(<pid)"
	no_litter
	# it had begun: what was asked for is known
	status_is 0 vmsched status -Ho action shop
	out_is 'create
create
create'
}
