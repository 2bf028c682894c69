//go:build linux && (amd64 || arm64)

package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// disk is what SQLite believes to be the disk: its system calls that change
// files pass here, of all databases of the process, and fail when a test says.
// SQLite has a table of its system calls for just this.
var disk struct {
	sync.Mutex
	install sync.Once
	on      bool
	calls   []string // since the test began to watch
	file    string   // only calls for this file count; empty: all
	at      int      // the call that fails, counted from 0; -1: none
	stays   bool     // so do all later ones
	do      func()   // is called instead of failing, if it is not nil
	errno   syscall.Errno
	old     map[string]uintptr
	failed  bool
}

// watch begins to watch the disk, or one file; if at is not negative that call
// fails.
func watch(file string, at int, errno syscall.Errno, stays bool) {
	disk.install.Do(install)
	disk.Lock()
	defer disk.Unlock()
	disk.on, disk.calls, disk.file, disk.at, disk.errno, disk.stays, disk.do, disk.failed = true, nil, file, at, errno, stays, nil, false
}

// during calls do at a call.
func during(at int, do func()) {
	watch("", at, 0, false)
	disk.Lock()
	defer disk.Unlock()
	disk.do = do
}

// heal makes the disk well, and returns what was called and whether any failed.
func heal() (calls []string, failed bool) {
	disk.Lock()
	defer disk.Unlock()
	disk.on = false
	return disk.calls, disk.failed
}

// pass notes a call and reports whether it may go to the disk; if not, it says
// why to SQLite.
func pass(tls *libc.TLS, name string, fd int32) bool {
	disk.Lock()
	defer disk.Unlock()
	if !disk.on {
		return true
	}
	file, _ := os.Readlink(fmt.Sprint("/proc/self/fd/", fd)) // if not, it has no name
	file = filepath.Base(file)
	if disk.file != "" && disk.file != file {
		return true
	}
	n := len(disk.calls)
	disk.calls = append(disk.calls, name+" "+file)
	if disk.at < 0 || n < disk.at || n > disk.at && !disk.stays {
		return true
	}
	disk.failed = true
	if disk.do != nil {
		disk.do()
		return true
	}
	errno := libc.X__errno_location(tls)
	**(**int32)(unsafe.Pointer(&errno)) = int32(disk.errno)
	return false
}

// Functions of C, as SQLite calls them.
type (
	writing    = func(*libc.TLS, int32, uintptr, uint64, int64) int64
	truncating = func(*libc.TLS, int32, int64) int32
	allocating = func(*libc.TLS, int32, int64, int64) int32
)

var (
	write writing = func(tls *libc.TLS, fd int32, from uintptr, n uint64, at int64) int64 {
		if !pass(tls, "pwrite", fd) {
			return -1
		}
		return callable[writing](disk.old["pwrite"])(tls, fd, from, n, at)
	}
	truncate truncating = func(tls *libc.TLS, fd int32, size int64) int32 {
		if !pass(tls, "ftruncate", fd) {
			return -1
		}
		return callable[truncating](disk.old["ftruncate"])(tls, fd, size)
	}
	allocate allocating = func(tls *libc.TLS, fd int32, at, size int64) int32 {
		if !pass(tls, "fallocate", fd) {
			return int32(disk.errno)
		}
		return callable[allocating](disk.old["fallocate"])(tls, fd, at, size)
	}
)

// callable makes a function of the address that stands for it in translated C.
func callable[F any](address uintptr) F { return *(*F)(unsafe.Pointer(&address)) }

// address is the inverse of callable. The function must live as long as the
// process.
func address[F any](f *F) uintptr { return *(*uintptr)(unsafe.Pointer(f)) }

func install() {
	tls := libc.NewTLS()
	defer tls.Close()
	found := sqlite3.Xsqlite3_vfs_find(tls, 0)
	vfs := *(**sqlite3.Tsqlite3_vfs)(unsafe.Pointer(&found))
	ask := callable[func(*libc.TLS, uintptr, uintptr) uintptr](vfs.FxGetSystemCall)
	tell := callable[func(*libc.TLS, uintptr, uintptr, uintptr) int32](vfs.FxSetSystemCall)
	disk.old = map[string]uintptr{}
	for name, f := range map[string]uintptr{"pwrite": address(&write), "ftruncate": address(&truncate), "fallocate": address(&allocate)} {
		c, err := libc.CString(name)
		if err != nil {
			panic(err)
		}
		disk.old[name] = ask(tls, found, c)
		if disk.old[name] == 0 {
			continue // this SQLite has no such call
		}
		if rc := tell(tls, found, c, f); rc != sqlite3.SQLITE_OK {
			panic(fmt.Sprintf("set %s: %d", name, rc))
		}
		libc.Xfree(tls, c)
	}
}

// TestDisk makes sure that the disk of the tests is the one that SQLite writes
// to.
func TestDisk(t *testing.T) {
	y := newFileYard(t)
	watch("", -1, 0, false)
	y.world()
	if calls, failed := heal(); len(calls) < 2 || failed || calls[0] != "pwrite dunning.db-wal" {
		t.Errorf("an import called %v, failed %v", calls, failed)
	}
}
