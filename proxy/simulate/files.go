package simulate

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
)

type file struct {
	ID           string `json:"id"`
	Type         string `json:"type"`
	Filename     string `json:"filename"`
	MimeType     string `json:"mime_type"`
	SizeBytes    int    `json:"size_bytes"`
	CreatedAt    string `json:"created_at"`
	Downloadable bool   `json:"downloadable"`
}

// files serves /v1/files and what is below; rest is the path after that.
func (x *exchange) files(rest string) {
	if rest == "" && x.req.Method == "POST" {
		x.upload()
		return
	}
	x.objects(shelf{&x.p.files, "file_deleted", "content", "application/octet-stream"}, x.req.Method, rest)
}

func (x *exchange) upload() {
	name, kind, content, err := uploaded(x.req)
	if err != nil {
		x.fail(400, "invalid_request_error", err.Error())
		return
	}
	id := x.id("file", 0)
	x.keep(&x.p.files, object{id, file{id, "file", name, kind, len(content), x.now(), true}, content})
}

// uploaded is the part named "file" of a form.
func uploaded(r *Request) (name, kind string, content []byte, err error) {
	_, params, err := mime.ParseMediaType(r.Header("content-type"))
	if err != nil || params["boundary"] == "" {
		return "", "", nil, errors.New("content-type: want multipart/form-data with a boundary")
	}
	form := multipart.NewReader(bytes.NewReader(r.Body), params["boundary"])
	for {
		part, err := form.NextPart()
		if err != nil {
			return "", "", nil, errors.New("file: Field required")
		}
		if part.FormName() == "file" {
			content, err := io.ReadAll(part)
			return part.FileName(), part.Header.Get("content-type"), content, err
		}
	}
}
