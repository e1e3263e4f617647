package main

/*
#include <stdlib.h>
*/
import "C"

// versionText lives as long as the library, as its callers expect of a
// constant.
var versionText = C.CString(Version)

//export covet_version
func covet_version() *C.char { return versionText }
