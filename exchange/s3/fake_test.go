package s3

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A fake is a storage with one bucket. It is here because gofakes3 completes an
// upload over an object that is there, gives no ETag with the number of parts,
// pages parts wrongly, takes parts of any size, and looks at no signature.
//
// It gives each access key what [Policy] gives the agent of that name, and
// nothing else; it checks the signature of grants.
type fake struct {
	*httptest.Server
	bucket string
	ahead  atomic.Int64 // by how much its clock is ahead, in nanoseconds

	mu      sync.Mutex
	objects map[string]object
	uploads map[string]*upload
	last    int
	pages   int  // the most that one answer lists
	lax     bool // conditions are not known
	// lose says whether the answer to what is done gets lost.
	lose func(*http.Request) bool
}

type object struct {
	data []byte
	etag string
	at   time.Time
}

type upload struct {
	key   string
	begun time.Time
	parts map[int]object
}

func newFake(t *testing.T) *fake {
	f := &fake{bucket: "mft", objects: map[string]object{}, uploads: map[string]*upload{}, pages: 2}
	f.Server = httptest.NewTLSServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) now() time.Time { return time.Now().Add(time.Duration(f.ahead.Load())).UTC() }

func secretOf(key string) string { return "secret of " + key }

// ServeHTTP implements http.Handler.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lose != nil && f.lose(r) {
		defer panic(http.ErrAbortHandler)
		w = httptest.NewRecorder()
	}
	w.Header().Set("Date", f.now().Format(http.TimeFormat))
	path := strings.TrimPrefix(r.URL.Path, "/")
	bucket, key, _ := strings.Cut(path, "/")
	who, code := f.caller(r)
	q := r.URL.Query()
	under := key
	if key == "" {
		under = q.Get("prefix")
	}
	switch {
	case code != "":
		fail(w, http.StatusForbidden, code)
	case bucket != f.bucket && r.Method == http.MethodPut && key == "":
		f.bucket = bucket
	case bucket != f.bucket:
		fail(w, http.StatusNotFound, "NoSuchBucket")
	case !strings.HasPrefix(under, who+"/"):
		fail(w, http.StatusForbidden, "AccessDenied")
	case key == "" && q.Has("uploads"):
		f.listUploads(w, q)
	case key == "":
		f.listObjects(w, q)
	case q.Has("uploads") || q.Has("uploadId"):
		f.multipart(w, r, key, q)
	default:
		f.object(w, r, key)
	}
}

func fail(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>secret words</Message></Error>", code)
}

func answer(w http.ResponseWriter, v any) {
	text, _ := xml.Marshal(v)
	_, _ = w.Write(text)
}

// caller returns the access key of a request, and a code when it is refused.
func (f *fake) caller(r *http.Request) (string, string) {
	q := r.URL.Query()
	if !q.Has(fieldSignature) {
		_, rest, signed := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		key, _, _ := strings.Cut(rest, "/")
		if !signed {
			return "", "AccessDenied"
		}
		return key, ""
	}
	scope := strings.Split(q.Get(fieldKey), "/")
	if len(scope) != 5 || r.Method != http.MethodGet {
		return "", "AccessDenied"
	}
	if sign(r, scope) != q.Get(fieldSignature) {
		return "", "SignatureDoesNotMatch"
	}
	from, err := time.Parse(dateFormat, q.Get(fieldDate))
	life, _ := strconv.Atoi(q.Get(fieldExpires))
	if err != nil || f.now().After(from.Add(time.Duration(life)*time.Second)) {
		return "", "AccessDenied"
	}
	return scope[0], ""
}

// sign computes the signature of a presigned request (AWS Signature Version 4).
func sign(r *http.Request, scope []string) string {
	q := r.URL.Query()
	q.Del(fieldSignature)
	query := strings.ReplaceAll(q.Encode(), "+", "%20")
	canonical := strings.Join([]string{r.Method, r.URL.EscapedPath(), query, "host:" + r.Host + "\n", "host", "UNSIGNED-PAYLOAD"}, "\n")
	hashed := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", q.Get(fieldDate), strings.Join(scope[1:], "/"), hex.EncodeToString(hashed[:])}, "\n")
	key := []byte("AWS4" + secretOf(scope[0]))
	for _, part := range append(slices.Clone(scope[1:]), text) {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	return hex.EncodeToString(key)
}

func (f *fake) object(w http.ResponseWriter, r *http.Request, key string) {
	o, there := f.objects[key]
	switch {
	case r.Method == http.MethodDelete:
		delete(f.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case !there:
		fail(w, http.StatusNotFound, "NoSuchKey")
	case r.Method == http.MethodHead || r.Method == http.MethodGet:
		w.Header().Set("ETag", o.etag)
		http.ServeContent(w, r, "", o.at, strings.NewReader(string(o.data)))
	default:
		fail(w, http.StatusNotImplemented, "NotImplemented")
	}
}

func (f *fake) multipart(w http.ResponseWriter, r *http.Request, key string, q url.Values) {
	id := q.Get("uploadId")
	u := f.uploads[id]
	switch {
	case id == "":
		f.last++
		id = fmt.Sprintf("upload-%d", f.last)
		f.uploads[id] = &upload{key, f.now(), map[int]object{}}
		answer(w, struct {
			XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
			UploadId string
		}{UploadId: id})
	case u == nil || u.key != key:
		fail(w, http.StatusNotFound, "NoSuchUpload")
	case r.Method == http.MethodPut:
		body, _ := io.ReadAll(r.Body)
		sum := md5.Sum(body)
		if base64.StdEncoding.EncodeToString(sum[:]) != r.Header.Get("Content-Md5") {
			fail(w, http.StatusBadRequest, "BadDigest")
			return
		}
		n, _ := strconv.Atoi(q.Get("partNumber"))
		if n < 1 || n > 10_000 {
			fail(w, http.StatusBadRequest, "InvalidArgument")
			return
		}
		u.parts[n] = object{body, fmt.Sprintf(`"%x"`, sum), f.now()}
		w.Header().Set("ETag", u.parts[n].etag)
	case r.Method == http.MethodGet:
		f.listParts(w, q, u)
	case r.Method == http.MethodDelete:
		delete(f.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPost:
		f.complete(w, r, id, u)
	}
}

func (f *fake) complete(w http.ResponseWriter, r *http.Request, id string, u *upload) {
	if _, there := f.objects[u.key]; there && r.Header.Get("If-None-Match") == "*" && !f.lax {
		fail(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	}
	var wanted struct {
		Part []struct {
			PartNumber int
			ETag       string
		}
	}
	if body, err := io.ReadAll(r.Body); err != nil || xml.Unmarshal(body, &wanted) != nil {
		fail(w, http.StatusBadRequest, "MalformedXML")
		return
	}
	var whole []byte
	for i, p := range wanted.Part {
		have, there := u.parts[p.PartNumber]
		switch {
		case !there || strings.Trim(have.etag, `"`) != strings.Trim(p.ETag, `"`):
			fail(w, http.StatusBadRequest, "InvalidPart")
			return
		case i < len(wanted.Part)-1 && len(have.data) < 5<<20:
			fail(w, http.StatusBadRequest, "EntityTooSmall")
			return
		}
		whole = append(whole, have.data...)
	}
	delete(f.uploads, id)
	etag := fmt.Sprintf(`"%x-%d"`, md5.Sum(whole[:min(len(whole), 100)]), len(wanted.Part))
	f.objects[u.key] = object{whole, etag, f.now()}
	answer(w, struct {
		XMLName           xml.Name `xml:"CompleteMultipartUploadResult"`
		Bucket, Key, ETag string
	}{Bucket: f.bucket, Key: u.key, ETag: etag})
}

func (f *fake) listParts(w http.ResponseWriter, q url.Values, u *upload) {
	type part struct {
		PartNumber int
		ETag       string
		Size       int
	}
	var out struct {
		XMLName              xml.Name `xml:"ListPartsResult"`
		IsTruncated          bool
		NextPartNumberMarker int
		Part                 []part
	}
	marker, _ := strconv.Atoi(q.Get("part-number-marker"))
	for _, n := range slices.Sorted(maps.Keys(u.parts)) {
		if n <= marker {
			continue
		}
		if len(out.Part) == f.pages {
			out.IsTruncated = true
			break
		}
		out.Part = append(out.Part, part{n, u.parts[n].etag, len(u.parts[n].data)})
		out.NextPartNumberMarker = n
	}
	answer(w, out)
}

func (f *fake) listUploads(w http.ResponseWriter, q url.Values) {
	type entry struct {
		Key, UploadId string
		Initiated     time.Time
	}
	var out struct {
		XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
		IsTruncated        bool
		NextKeyMarker      string
		NextUploadIdMarker string
		Upload             []entry
	}
	ids := slices.SortedFunc(maps.Keys(f.uploads), func(a, b string) int {
		return strings.Compare(f.uploads[a].key+"\x00"+a, f.uploads[b].key+"\x00"+b)
	})
	after := q.Get("key-marker") + "\x00" + q.Get("upload-id-marker")
	for _, id := range ids {
		u := f.uploads[id]
		if !strings.HasPrefix(u.key, q.Get("prefix")) || q.Get("key-marker") != "" && u.key+"\x00"+id <= after {
			continue
		}
		if len(out.Upload) == f.pages {
			out.IsTruncated = true
			break
		}
		out.Upload = append(out.Upload, entry{u.key, id, u.begun})
		out.NextKeyMarker, out.NextUploadIdMarker = u.key, id
	}
	answer(w, out)
}

func (f *fake) listObjects(w http.ResponseWriter, q url.Values) {
	type entry struct {
		Key          string
		LastModified time.Time
		ETag         string
		Size         int
	}
	var out struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string
		Contents              []entry
	}
	for _, key := range slices.Sorted(maps.Keys(f.objects)) {
		if !strings.HasPrefix(key, q.Get("prefix")) || key <= q.Get("continuation-token") {
			continue
		}
		if len(out.Contents) == f.pages {
			out.IsTruncated = true
			break
		}
		o := f.objects[key]
		out.Contents = append(out.Contents, entry{key, o.at, o.etag, len(o.data)})
		out.NextContinuationToken = key
	}
	answer(w, out)
}
